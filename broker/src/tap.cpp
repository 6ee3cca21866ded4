#include "tap.hpp"

#include "batch_parts.hpp"

#include <casc/wire/batch_slice.hpp>

#include <algorithm>

namespace casc::broker {

void TapMember::grant(std::uint64_t bytes, std::uint64_t events) noexcept {
    // As for a subscription: the sum cannot overflow.
    constexpr std::uint64_t sane = std::uint64_t{1} << 40;
    credit_bytes += static_cast<std::int64_t>(std::min(bytes, sane));
    credit_events += static_cast<std::int64_t>(std::min(events, sane));
}

Tap::Tap(Core& core, TapSettings settings)
    : core_(core),
      settings_(std::move(settings)),
      arena_(core.volatile_logs.pools()),
      queue_(core.volatile_logs.pools(), core.opened, settings_.marks, settings_.by_priority),
      last_taken_(mono_now()) {}

// ---- members ------------------------------------------------------------------------------------

TapMember& Tap::join(TapMember member) {
    members_.push_back(std::make_unique<TapMember>(std::move(member)));
    return *members_.back();
}

TapMember* Tap::find(const Session& session, std::uint32_t subscription_id) {
    for (const auto& member : members_)
        if (member->session.get() == &session && member->subscription_id == subscription_id)
            return member.get();
    return nullptr;
}

bool Tap::leave(const Session& session, std::uint32_t subscription_id) {
    std::erase_if(members_, [&](const auto& member) {
        return member->session.get() == &session && member->subscription_id == subscription_id;
    });
    return members_.empty();
}

bool Tap::has_member_on(const Session& session) const {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const auto& member) { return member->session.get() == &session; });
}

TapMember* Tap::next_member() {
    for (std::size_t i = 0; i < members_.size(); ++i) {
        turn_ = turn_ + 1 < members_.size() ? turn_ + 1 : 0;
        if (members_[turn_]->has_room()) return members_[turn_].get();
    }
    return nullptr;
}

// ---- in -----------------------------------------------------------------------------------------

// The events that are for this tap's peer name, or for everybody, in runs. Destinations are not
// compressed, so only batches that have some, and taps that have a name, cost anything.
template <class Take>
void Tap::pick_events(LogId log, const storage::BatchRef& batch, Take&& take) {
    const std::uint32_t count = stored_extent(batch).event_count;
    if (settings_.peer.empty()) return take(TapItem{log, batch, count});
    const auto view = wire::BatchView::parse(batch.bytes);
    if (!view || !view->has(wire::Column::destinations)) return take(TapItem{log, batch, count});
    const auto wanted = [&](std::uint32_t index) {
        const auto to = view->value(wire::Column::destinations, index);
        return !to || to->empty() ||
               std::string_view(reinterpret_cast<const char*>(to->data()), to->size()) ==
                   settings_.peer;
    };
    for (std::uint32_t first = 0; first < count;) {
        if (!wanted(first)) {
            ++first;
            continue;
        }
        std::uint32_t end = first + 1;
        while (end < count && wanted(end))
            ++end;
        if (first == 0 && end == count) return take(TapItem{log, batch, count});
        const auto opened = core_.opened.open(batch);
        if (!opened) return;  // the producer's checksum was right; nobody can read it all the same
        const wire::SliceRange range{first, end};
        BatchArena::Room room =
            arena_.take(wire::slice_bytes(opened->batch, range), queue_.bytes());
        wire::slice_batch(opened->batch, opened->payloads, range, room.bytes);
        take(TapItem{log, {std::move(room.block), room.bytes}, end - first});
        first = end;
    }
    core_.opened.forget();
}

void Tap::offer(LogId log, const storage::BatchRef& batch, bool stored) {
    const bool room = std::any_of(members_.begin(), members_.end(),
                                  [](const auto& member) { return member->has_room(); });
    pick_events(log, batch, [&](TapItem item) {
        const bool waits = !room || !queue_.empty();
        if (queue_.empty()) last_taken_ = mono_now();
        if (stored && waits && item.batch.bytes.data() == batch.bytes.data())
            item.batch = arena_.add(batch.bytes, queue_.bytes());
        queue_.push(std::move(item));
    });
}

void Tap::replay(LogId log, const storage::BatchRef& batch) {
    pick_events(log, batch, [&](TapItem item) { queue_.replay(std::move(item)); });
}

bool Tap::forget_topic(TopicId topic) {
    std::erase(settings_.topics, topic);
    queue_.forget_topic(topic);
    return !settings_.topics.empty();
}

// ---- out ----------------------------------------------------------------------------------------

bool Tap::run() {
    for (int left = kDeliveriesPerTurn; !queue_.empty(); --left) {
        TapMember* member = next_member();
        if (member == nullptr) return false;
        if (left == 0) return true;  // others are waiting, too
        deliver(*member);
    }
    return false;
}

void Tap::deliver(TapMember& member) {
    const std::size_t lane = queue_.pick(core_.config.delivery);
    const LogId log = queue_.front(lane)->log;
    // Of what waits everybody who shares it gets some.
    std::size_t items_max = (queue_.items() + members_.size() - 1) / members_.size();
    std::size_t bytes = 0;
    std::int64_t events = 0;
    sending_.clear();
    for (const TapItem* next = queue_.front(lane);
         next != nullptr && items_max > 0 && next->log == log; next = queue_.front(lane)) {
        const auto left = member.credit_bytes - static_cast<std::int64_t>(bytes);
        if (!sending_.empty() && (bytes + next->batch.bytes.size() > member.deliver_bytes_max ||
                                  left <= 0 || events >= member.credit_events))
            break;
        TapItem item = queue_.pop(lane);
        // In as many parts as it takes: what was taken out of the queue is not put back.
        const Offset end = stored_extent(item.batch).end;
        for (Offset at = stored_extent(item.batch).base; at < end;) {
            const Handed handed = add_alive(core_, item.batch, at, sending_);
            bytes += handed.bytes;
            events += handed.events;
            at = handed.next;
            if (at < end && !sending_.empty()) {
                send(member, log, sending_, ErrorCode::ok);
                sending_.clear();
            }
        }
        --items_max;
    }
    if (sending_.empty()) return;  // all of it has expired
    member.credit_bytes -= static_cast<std::int64_t>(bytes);
    member.credit_events -= events;
    last_taken_ = mono_now();
    send(member, log, sending_, ErrorCode::ok);
    sending_.clear();
    auto& count = core_.counters.lanes[static_cast<std::size_t>(log.lane())];
    count.events_out += static_cast<std::uint64_t>(events);
    count.bytes_out += bytes;
}

void Tap::send(TapMember& member, LogId log, std::span<const storage::BatchRef> batches,
               ErrorCode why) {
    const std::uint64_t skipped = queue_.take_skipped();
    core_.counters.tap_events_skipped += skipped;
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateDeliver(builder, member.subscription_id, log.topic().value(),
                                       log.partition().value(),
                                       static_cast<std::uint8_t>(log.lane()), 0, 0,
                                       static_cast<std::uint16_t>(why), 0, skipped);
    });
    member.session->send(wire::FrameKind::push, wire::Api::deliver, 0, body, batches);
}

void Tap::say(TopicId topic, ErrorCode why) {
    for (const auto& member : members_)
        send(*member, LogId(topic, PartitionId(0), Lane::critical), {}, why);
}

}  // namespace casc::broker
