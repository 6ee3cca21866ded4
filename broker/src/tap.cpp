#include "tap.hpp"

#include "filtered_parts.hpp"

#include <casc/wire/batch_slice.hpp>

#include <algorithm>
#include <bit>

namespace casc::broker {
namespace {

// Of events that have a destination only those for `peer` stay.
void leave_out_others(const wire::BatchView& view, std::string_view peer,
                      std::span<std::uint64_t> words) {
    if (!view.has(wire::Column::destinations)) return;
    const FilterMatcher::TextColumn destinations(view, wire::Column::destinations);
    for (std::uint32_t index = 0; index < view.event_count(); ++index) {
        const std::string_view to = destinations.at(index);
        if (!to.empty() && to != peer) words[index / 64] &= ~(std::uint64_t{1} << index % 64);
    }
}

}  // namespace

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
      last_taken_(mono_now()) {
    topics_.insert(settings_.topics.begin(), settings_.topics.end());
}

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

// The events that are for this tap's peer name, or for everybody, and match its filter. Taps that
// have neither cost nothing here.
template <class Take>
void Tap::pick_events(LogId log, const storage::BatchRef& batch, Take&& take) {
    const std::uint32_t count = stored_extent(batch).event_count;
    if (settings_.peer.empty() && !settings_.filter) return take(TapItem{log, batch, count});
    const auto view = wire::BatchView::parse(batch.bytes);
    if (!view) return take(TapItem{log, batch, count});
    if (settings_.filter) {
        const auto words = core_.filters.scan(*settings_.filter, log, batch, *view, 0, count);
        words_.assign(words.begin(), words.end());
    } else {
        words_.assign((count + 63) / 64, ~std::uint64_t{0});
        if (count % 64 != 0) words_.back() >>= 64 - count % 64;
    }
    if (!settings_.peer.empty()) leave_out_others(*view, settings_.peer, words_);
    take_matching(log, batch, *view, words_, take);
}

// As it is, as the parts of it that are meant, or with a bit for each event that is.
template <class Take>
void Tap::take_matching(LogId log, const storage::BatchRef& batch, const wire::BatchView& view,
                        std::span<const std::uint64_t> words, Take&& take) {
    std::uint32_t events = 0;
    for (const std::uint64_t word : words)
        events += static_cast<std::uint32_t>(std::popcount(word));
    if (events == 0) return;
    if (events == view.event_count()) return take(TapItem{log, batch, events});
    if (!worth_cutting(view, words)) {
        TapItem item{log, batch, events};
        item.matches =
            std::make_shared<const std::vector<std::uint64_t>>(words.begin(), words.end());
        return take(std::move(item));
    }
    const auto payloads = core_.filters.payloads(batch, view);
    // The producer's checksum was right; nobody can read it all the same.
    if (!payloads || !view.verify_body()) return;
    MatchRuns runs(words);
    for (wire::SliceRange run = runs.next(); run.first != run.end; run = runs.next()) {
        BatchArena::Room room = arena_.take(wire::slice_bytes(view, run), queue_.bytes());
        wire::slice_batch(view, *payloads, run, room.bytes);
        take(TapItem{log, {std::move(room.block), room.bytes}, run.end - run.first});
    }
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

// ---- topics -------------------------------------------------------------------------------------

bool Tap::matches(std::string_view name) const {
    return std::any_of(settings_.patterns.begin(), settings_.patterns.end(),
                       [&](const SubjectPattern& pattern) { return pattern.matches(name); });
}

bool Tap::names(TopicId topic) const {
    return std::find(settings_.topics.begin(), settings_.topics.end(), topic) !=
           settings_.topics.end();
}

// The end of a topic that a pattern has brought in is no error: the next one may come.
bool Tap::forget_topic(TopicId topic) {
    if (names(topic)) {
        say(topic, ErrorCode::unknown_topic);
    } else {
        for (const auto& member : members_)
            if (member->told.erase(topic) != 0) introduce(*member, topic, true);
    }
    std::erase(settings_.topics, topic);
    topics_.erase(topic);
    queue_.forget_topic(topic);
    return !settings_.topics.empty() || !settings_.patterns.empty();
}

void Tap::introduce(TapMember& member, TopicId id, bool gone) {
    wire::fb::TopicsMatchedT message;
    message.subscription_id = member.subscription_id;
    auto& matched = message.topics.emplace_back(std::make_unique<wire::fb::MatchedTopicT>());
    matched->topic_id = id.value();
    matched->gone = gone;
    if (const Topic* topic = core_.topics.find(id)) matched->topic = topic->name;
    member.session->send(wire::FrameKind::push, wire::Api::topics_matched, 0,
                         core_.encoder.encode(message));
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
    // Of what waits to be sent, in sending_.
    std::size_t bytes = 0;
    std::int64_t events = 0;
    bool took_some = false;
    const auto send_gathered = [&] {
        if (sending_.empty()) return;
        hand_out(member, log, sending_, events);
        sending_.clear();
        bytes = 0;
        events = 0;
    };
    sending_.clear();
    for (const TapItem* next = queue_.front(lane);
         next != nullptr && items_max > 0 && next->log == log; next = queue_.front(lane)) {
        if (took_some && (bytes + next->batch.bytes.size() > member.deliver_bytes_max ||
                          member.credit_bytes <= static_cast<std::int64_t>(bytes) ||
                          member.credit_events <= events))
            break;
        if (next->matches != nullptr) {
            if (took_some) break;  // on its own
            return deliver_marked(member, queue_.pop(lane));
        }
        const TapItem item = queue_.pop(lane);
        // In as many parts as it takes: what was taken out of the queue is not put back.
        const Offset end = stored_extent(item.batch).end;
        for (Offset at = stored_extent(item.batch).base; at < end;) {
            const Handed handed = add_alive(core_, log, item.batch, at, sending_);
            bytes += handed.bytes;
            events += handed.events;
            took_some = took_some || handed.events != 0;
            at = handed.next;
            if (at < end) send_gathered();
        }
        --items_max;
    }
    send_gathered();
}

// A batch of which only some events are meant. Those that have expired, or were deleted, are left
// out, too.
void Tap::deliver_marked(TapMember& member, TapItem item) {
    words_ = *item.matches;
    const Lifespans lives(core_, item.log, item.batch);
    const StoredExtent extent = stored_extent(item.batch);
    for (Offset at = extent.base; at < extent.end;) {
        const Lifespans::Run run = lives.at(at);
        if (run.life == Lifespans::Life::alive) {
            at = run.end;
            continue;
        }
        for (; at < run.end; at = at + OffsetDelta(1)) {
            const std::uint64_t index = (at - extent.base).value();
            const std::uint64_t mask = std::uint64_t{1} << index % 64;
            if ((words_[index / 64] & mask) == 0) continue;
            words_[index / 64] &= ~mask;
            --item.events;
            core_.counters.events_expired += run.life == Lifespans::Life::expired;
        }
    }
    if (item.events == 0) return;
    hand_out(member, item.log, {&item.batch, 1}, item.events, words_);
}

void Tap::hand_out(TapMember& member, LogId log, std::span<const storage::BatchRef> batches,
                   std::int64_t events, std::span<const std::uint64_t> matches) {
    for (const storage::BatchRef& batch : batches)
        member.credit_bytes -= static_cast<std::int64_t>(batch.bytes.size());
    member.credit_events -= events;
    last_taken_ = mono_now();
    send(member, log, batches, ErrorCode::ok, matches);
    core_.count_out(log.lane(), batches, static_cast<std::uint64_t>(events));
}

void Tap::send(TapMember& member, LogId log, std::span<const storage::BatchRef> batches,
               ErrorCode why, std::span<const std::uint64_t> matches) {
    if (!settings_.patterns.empty() && !batches.empty() && !names(log.topic()) &&
        member.told.insert(log.topic()).second)
        introduce(member, log.topic(), false);
    const std::uint64_t skipped = queue_.take_skipped();
    core_.counters.tap_events_skipped += skipped;
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto words = matches.empty()
                               ? flatbuffers::Offset<flatbuffers::Vector<std::uint64_t>>()
                               : builder.CreateVector(matches.data(), matches.size());
        return wire::fb::CreateDeliver(builder, member.subscription_id, log.topic().value(),
                                       log.partition().value(),
                                       static_cast<std::uint8_t>(log.lane()), 0, 0,
                                       static_cast<std::uint16_t>(why), 0, skipped, 0, words);
    });
    member.session->send(wire::FrameKind::push, wire::Api::deliver, 0, body, batches);
}

void Tap::say(TopicId topic, ErrorCode why) {
    for (const auto& member : members_)
        send(*member, LogId(topic, PartitionId(0), Lane::critical), {}, why);
}

}  // namespace casc::broker
