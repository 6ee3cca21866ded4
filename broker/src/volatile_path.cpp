// A batch on its way into a volatile topic: nothing is stored, so nothing is waited for.

#include "produce_path.hpp"

namespace casc::broker {
namespace {

constexpr JournalSequence kNever(~std::uint64_t{0});

}  // namespace

Result<void> ProducePath::check_volatile(const Topic& topic, Acks acks) {
    if (acks < Acks::durable) return {};
    return Error(ErrorCode::not_supported, "acks=durable: topic " + topic.name +
                                               " is volatile, nothing of it is stored; there are "
                                               "acks=memory and none");
}

// Who produces it does not matter: without a memory of what was there before a restart, duplicates
// cannot be told from the rest.
ProducePath::Accepted ProducePath::append_volatile(const Core::Place& place,
                                                   const wire::BatchView& batch) {
    const auto appended = core_.volatile_logs.append(*place.topic, place.log, batch.bytes(),
                                                     core_.now, core_.config.volatile_topics);
    count(batch);
    core_.watch.visible(place.log, appended.base + OffsetDelta(batch.event_count()));
    return {appended.base, appended.epoch, kNever, false};
}

}  // namespace casc::broker
