#include "subscription.hpp"

#include "batch_parts.hpp"

#include <algorithm>

namespace casc::broker {

void Subscription::grant(std::uint64_t bytes, std::uint64_t events) {
    // A grant is bounded by what a client can sensibly hold, so that the sum cannot overflow.
    constexpr std::uint64_t sane = std::uint64_t{1} << 40;
    credit_bytes_ += static_cast<std::int64_t>(std::min(bytes, sane));
    credit_events_ += static_cast<std::int64_t>(std::min(events, sane));
    window_bytes_ = std::max(window_bytes_, credit_bytes_);
    window_events_ = std::max(window_events_, credit_events_);
    schedule();
}

void Subscription::move_source(const Topic& topic, LogId log, Offset from) {
    silent_.erase(log);
    left_out_.erase(log);
    if (has_patterns()) followed_[topic.id].told = true;  // whoever names it knows it
    add_source(topic, log, from);
}

void Subscription::end_source(LogId log) {
    silent_.erase(log);
    if (has_patterns()) left_out_.insert(log);
    remove_source(log);
}

bool Subscription::may_send() const noexcept {
    return credit_bytes_ > 0 && credit_events_ > 0 && session_.open() && !session_.congested();
}

// A subscriber that is slower than its low lanes has all of its credit out on them, and gives it
// back in large pieces; an urgent event would wait for one. Less than half of the window, so that
// every lane goes on with a subscriber that grants anew when half of its credit is used.
std::int64_t Subscription::left_by(Lane lane, std::int64_t window) const noexcept {
    constexpr std::array<unsigned, kLaneCount> kept_of_16{0, 1, 2, 4};
    if (!reads_above(lane)) return 0;
    return window / 16 * kept_of_16[static_cast<std::size_t>(lane)];
}

bool Subscription::has_room_for(Lane lane) const noexcept {
    return credit_bytes_ > left_by(lane, window_bytes_) &&
           credit_events_ > left_by(lane, window_events_);
}

// What a delivery of the lane may take of the credit. Without room it is the lane's turn because it
// was passed over; what it may take then is in proportion to what others took meanwhile, so that a
// few small urgent events do not let a low lane use up what is kept for the next ones.
Subscription::Share Subscription::share_of(Lane lane) const noexcept {
    if (has_room_for(lane))
        return {credit_bytes_ - left_by(lane, window_bytes_),
                credit_events_ - left_by(lane, window_events_)};
    const std::int64_t part = passed_over_bytes_[static_cast<std::size_t>(lane)] /
                              std::int64_t{core_.config.delivery.starvation_bound};
    return {std::min(credit_bytes_, part), credit_events_};
}

Handed Subscription::take(const Source& source, const storage::BatchRef& batch) {
    if (!settings_.filter) return add_alive(core_, source.log, batch, source.next, sending_);
    return parts_.add(core_, *settings_.filter, source.log, batch, source.next);
}

void Subscription::deliver(Source& source, std::uint64_t arrival_bound) {
    sending_.clear();
    parts_.clear();
    std::size_t bytes = 0;
    std::int64_t events = 0;
    const auto lane = static_cast<std::size_t>(source.log.lane());
    const bool had_room = has_room_for(source.log.lane());
    const auto [bytes_max, events_max] = share_of(source.log.lane());
    for (bool first = true; !source.fetched.empty(); first = false) {
        const storage::BatchRef& batch = source.fetched.front();
        const StoredExtent extent = stored_extent(batch);
        // What does not match takes no room, but time.
        const std::size_t room = bytes == 0 && settings_.filter ? 0 : batch.bytes.size();
        if (!first && (bytes + room > read_bytes_ ||
                       (bytes != 0 && static_cast<std::int64_t>(bytes) >= bytes_max) ||
                       events >= events_max || extent.arrival > arrival_bound ||
                       scanned_bytes_ + parts_.scanned_bytes() >= kScanBytes))
            break;
        const Handed handed = take(source, batch);
        bytes += handed.bytes;
        events += handed.events;
        source.next = handed.next;
        if (handed.next < extent.end) break;  // the rest of it with the next turn
        source.fetched.pop_front();
    }
    scanned_bytes_ += parts_.scanned_bytes();
    if (sending_.empty() && parts_.batches().empty()) {  // nothing matched, or all has expired
        if (settings_.filter) silent_[source.log] = source.next;
        return;
    }
    silent_.erase(source.log);
    credit_bytes_ -= static_cast<std::int64_t>(bytes);
    credit_events_ -= events;
    passed_over_bytes_[lane] =
        had_room ? 0
                 : passed_over_bytes_[lane] -
                       static_cast<std::int64_t>(bytes) * core_.config.delivery.starvation_bound;
    for (std::size_t lower = lane + 1; lower < kLaneCount; ++lower)
        passed_over_bytes_[lower] =
            std::min(passed_over_bytes_[lower] + static_cast<std::int64_t>(bytes), window_bytes_);
    send(source, events);
}

void Subscription::send(const Source& source, std::int64_t events) {
    const auto matching = parts_.matches();
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto words = matching.empty()
                               ? flatbuffers::Offset<flatbuffers::Vector<std::uint64_t>>()
                               : builder.CreateVector(matching.data(), matching.size());
        return wire::fb::CreateDeliver(
            builder, id_, source.log.topic().value(), source.log.partition().value(),
            static_cast<std::uint8_t>(source.log.lane()), generation_, source.visible_end.value(),
            0, 0, 0, settings_.filter ? source.next.value() : 0, words);
    });
    session_.send(wire::FrameKind::push, wire::Api::deliver, 0, body,
                  settings_.filter ? parts_.batches() : sending_);

    core_.count_out(source.log.lane(), settings_.filter ? parts_.batches() : sending_,
                    static_cast<std::uint64_t>(events));
}

// One at most for each log and tick.
void Subscription::tell_progress() {
    while (!silent_.empty() && may_send()) {
        const auto [log, next] = *silent_.begin();
        silent_.erase(silent_.begin());
        const Topic* topic = core_.topics.find(log.topic());
        if (topic == nullptr) continue;
        credit_bytes_ -= static_cast<std::int64_t>(wire::kProgressCreditBytes);
        const Offset end = core_.visibility.visible_end(*topic, log);
        const auto body = core_.encoder.build(
            [&, log = log, next = next](flatbuffers::FlatBufferBuilder& builder) {
                return wire::fb::CreateDeliver(builder, id_, log.topic().value(),
                                               log.partition().value(),
                                               static_cast<std::uint8_t>(log.lane()), generation_,
                                               end.value(), 0, 0, 0, next.value());
            });
        session_.send(wire::FrameKind::push, wire::Api::deliver, 0, body);
    }
}

void Subscription::on_dropped(const Source& source, ErrorCode why) {
    silent_.erase(source.log);
    // Of a topic that a pattern brought in, its end is told by on_topic_removed().
    if (why == ErrorCode::unknown_topic && has_patterns()) return;
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
