#include "log_appender.hpp"

#include <casc/types/assert.hpp>

#include <cstring>

namespace casc::broker {
namespace {

std::uint32_t event_count(std::span<const std::byte> batch) {
    std::uint32_t count;
    std::memcpy(&count,
                batch.data() + sizeof(wire::BatchStamp) + offsetof(wire::BatchHeader, event_count),
                sizeof count);
    return count;
}

bool seen_at_once(const Topic& topic) {
    return topic.settings.durability == Durability::memory;
}

}  // namespace

Result<void> LogAppender::prepare(const Core::Place& place) {
    if (!seen_at_once(*place.topic)) return {};  // or not stored at all
    const auto state = core_.store.log_state(place.log);
    return core_.visibility.before_append(place.log, state ? state->end : Offset(0));
}

void LogAppender::count(Lane of, std::span<const std::byte> batch) {
    auto& lane = core_.counters.lanes[static_cast<std::size_t>(of)];
    lane.events_in += event_count(batch);
    lane.bytes_in += batch.size();
    ++core_.counters.batches_in;
}

// Nothing is stored, so nothing is waited for.
storage::AppendTicket LogAppender::append_volatile(const Core::Place& place,
                                                   std::span<const std::byte> batch) {
    const auto appended = core_.volatile_logs.append(*place.topic, place.log, batch, core_.now(),
                                                     core_.config.volatile_topics);
    count(place.log.lane(), batch);
    core_.watch.visible(place.log, appended.base + OffsetDelta(event_count(batch)));
    return {appended.base, kNeverDurable, 0};
}

void LogAppender::note_keys(const Core::Place& place, std::span<const std::byte> bytes,
                            const storage::AppendTicket& ticket) {
    const auto batch = wire::BatchView::parse(bytes);
    CASC_ASSERT(batch, place.log.value());  // it was checked on its way in
    core_.keys.apply(*place.topic, place.log, *batch, core_.now(), ticket);
    compaction_.on_append(*place.topic, place.log);
}

Result<storage::AppendTicket> LogAppender::append(const Core::Place& place,
                                                  std::span<const std::byte> batch) {
    if (place.topic->is_volatile()) return append_volatile(place, batch);
    const bool at_once = seen_at_once(*place.topic);
    CASC_TRY(
        const storage::AppendTicket ticket,
        core_.store.append(place.log, place.topic->settings.retention_class(), batch, core_.now(),
                           at_once ? storage::Urgency::soon : storage::Urgency::now));
    count(place.log.lane(), batch);
    retention_.on_append(*place.topic, place.log);
    if (place.topic->is_compacted()) note_keys(place, batch, ticket);
    if (at_once)
        core_.watch.visible(place.log, core_.visibility.visible_end(*place.topic, place.log));
    return ticket;
}

}  // namespace casc::broker
