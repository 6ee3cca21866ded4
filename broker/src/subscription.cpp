#include "subscription.hpp"

#include "batch_parts.hpp"

#include <algorithm>

namespace casc::broker {

void Subscription::grant(std::uint64_t bytes, std::uint64_t events) {
    // A grant is bounded by what a client can sensibly hold, so that the sum cannot overflow.
    constexpr std::uint64_t sane = std::uint64_t{1} << 40;
    credit_bytes_ += static_cast<std::int64_t>(std::min(bytes, sane));
    credit_events_ += static_cast<std::int64_t>(std::min(events, sane));
    schedule();
}

bool Subscription::may_send() const noexcept {
    return credit_bytes_ > 0 && credit_events_ > 0 && session_.open() && !session_.congested();
}

void Subscription::deliver(Source& source, std::uint64_t arrival_bound) {
    sending_.clear();
    std::size_t bytes = 0;
    std::int64_t events = 0;
    for (bool first = true; !source.fetched.empty(); first = false) {
        const storage::BatchRef& batch = source.fetched.front();
        const StoredExtent extent = stored_extent(batch);
        const auto left = credit_bytes_ - static_cast<std::int64_t>(bytes);
        if (!first && (bytes + batch.bytes.size() > read_bytes_ || left <= 0 ||
                       events >= credit_events_ || extent.arrival > arrival_bound))
            break;
        const Handed handed = add_alive(core_, source.log, batch, source.next, sending_);
        bytes += handed.bytes;
        events += handed.events;
        source.next = handed.next;
        if (handed.next < extent.end) break;  // the rest of it with the next turn
        source.fetched.pop_front();
    }
    if (sending_.empty()) return;  // all of it has expired
    credit_bytes_ -= static_cast<std::int64_t>(bytes);
    credit_events_ -= events;
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateDeliver(
            builder, id_, source.log.topic().value(), source.log.partition().value(),
            static_cast<std::uint8_t>(source.log.lane()), generation_, source.visible_end.value());
    });
    session_.send(wire::FrameKind::push, wire::Api::deliver, 0, body, sending_);

    auto& lane = core_.counters.lanes[static_cast<std::size_t>(source.log.lane())];
    lane.events_out += static_cast<std::uint64_t>(events);
    lane.bytes_out += bytes;
}

void Subscription::on_dropped(const Source& source, ErrorCode why) {
    const auto state = core_.logs.state(source.log);
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateDeliver(
            builder, id_, source.log.topic().value(), source.log.partition().value(),
            static_cast<std::uint8_t>(source.log.lane()), generation_, source.visible_end.value(),
            static_cast<std::uint16_t>(why), state ? state->start.value() : 0);
    });
    session_.send(wire::FrameKind::push, wire::Api::deliver, 0, body);
}

}  // namespace casc::broker
