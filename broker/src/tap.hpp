#pragma once
// A tap: what comes in some topics from now on, for one subscriber, or for several that share it.
//
// Its queue is filled as events become visible and emptied as far as the subscribers' credit goes.
// It keeps references to the batches where they are; a batch of a stored topic that has to wait is
// copied, because its block belongs to a journal entry and may be a thousand times as large.

#include "core.hpp"
#include "subject_pattern.hpp"
#include "tap_queue.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <memory>
#include <string>
#include <vector>

namespace casc::broker {

struct TapSettings {
    std::vector<TopicId> topics;           // by their names
    std::vector<SubjectPattern> patterns;  // those whose names match, and those that come
    std::optional<Filter> filter;
    bool by_priority = true;
    TapMarks marks;
    std::string share;
    std::string peer;

    friend bool operator==(const TapSettings& a, const TapSettings& b) {
        const auto text = [](const TapSettings& of) {
            return of.filter ? of.filter->text() : std::string();
        };
        return a.topics == b.topics && a.patterns == b.patterns && text(a) == text(b) &&
               a.by_priority == b.by_priority && a.marks.on_full == b.marks.on_full &&
               a.marks.events_max == b.marks.events_max && a.marks.bytes_max == b.marks.bytes_max &&
               a.share == b.share && a.peer == b.peer;
    }
};

struct TapMember {
    SessionPtr session;
    std::uint32_t subscription_id;
    std::size_t deliver_bytes_max;
    std::int64_t credit_bytes = 0;
    std::int64_t credit_events = 0;
    // Of those that patterns have brought in: it knows their names.
    boost::unordered_flat_set<TopicId, std::hash<TopicId>> told{};

    [[nodiscard]] bool has_room() const noexcept {
        return credit_bytes > 0 && credit_events > 0 && session->open() && !session->congested();
    }
    void grant(std::uint64_t bytes, std::uint64_t events) noexcept;
};

// Thread: owning shard. Lifetime: owned by Taps.
class Tap {
public:
    Tap(Core& core, TapSettings settings);
    ~Tap() { core_.counters.tap_events_skipped += queue_.take_skipped(); }
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;

    [[nodiscard]] const TapSettings& settings() const noexcept { return settings_; }
    [[nodiscard]] TapMember& join(TapMember member);
    // Null: not one of its members.
    [[nodiscard]] TapMember* find(const Session& session, std::uint32_t subscription_id);
    // Its last member has left: it may go.
    bool leave(const Session& session, std::uint32_t subscription_id);
    [[nodiscard]] bool has_member_on(const Session& session) const;
    [[nodiscard]] const std::vector<std::unique_ptr<TapMember>>& members() const {
        return members_;
    }

    // A batch that has become visible; of the store, or in memory of our own.
    void offer(LogId log, const storage::BatchRef& batch, bool stored);
    // What was there before the tap was.
    void replay(LogId log, const storage::BatchRef& batch);
    void count_skipped(std::uint64_t events) noexcept { queue_.count_skipped(events); }
    void shed() { queue_.shed(); }

    // Sends as far as there is credit. True: there is more to do in a later turn.
    [[nodiscard]] bool run();
    // Told to its members, as the last thing they hear of it or of the topic.
    void say(TopicId topic, ErrorCode why);

    // ---- topics ----
    using TopicSet = boost::unordered_flat_set<TopicId, std::hash<TopicId>>;
    [[nodiscard]] const TopicSet& topics() const noexcept { return topics_; }
    [[nodiscard]] bool matches(std::string_view name) const;
    // One that a pattern has brought in. Its members are told of it with its first event.
    void add_topic(TopicId topic) { topics_.insert(topic); }
    // Its members are told. False: there is no other, and none can come.
    [[nodiscard]] bool forget_topic(TopicId topic);

    [[nodiscard]] const TapQueue& queue() const noexcept { return queue_; }
    [[nodiscard]] bool blocks() const noexcept { return settings_.marks.on_full == OnFull::block; }
    // When it last sent something, or last was empty.
    [[nodiscard]] MonoNanos last_taken() const noexcept { return last_taken_; }

    bool scheduled = false;  // marks of the owner's
    bool holding = false;

private:
    static constexpr int kDeliveriesPerTurn = 1024;

    template <class Take>
    void pick_events(LogId log, const storage::BatchRef& batch, Take&& take);
    template <class Take>
    void take_matching(LogId log, const storage::BatchRef& batch, const wire::BatchView& view,
                       std::span<const std::uint64_t> words, Take&& take);
    [[nodiscard]] bool names(TopicId topic) const;
    void introduce(TapMember& member, TopicId topic, bool gone);
    [[nodiscard]] TapMember* next_member();
    void deliver(TapMember& member);
    void deliver_marked(TapMember& member, TapItem item);
    // Sends events, which are charged to the member and counted.
    void hand_out(TapMember& member, LogId log, std::span<const storage::BatchRef> batches,
                  std::int64_t events, std::span<const std::uint64_t> matches = {});
    void send(TapMember& member, LogId log, std::span<const storage::BatchRef> batches,
              ErrorCode why, std::span<const std::uint64_t> matches = {});

    Core& core_;
    TapSettings settings_;
    TopicSet topics_;  // those of the settings, and those that patterns have brought in
    BatchArena arena_;
    TapQueue queue_;
    std::vector<std::unique_ptr<TapMember>> members_;
    std::size_t turn_ = 0;
    MonoNanos last_taken_;
    std::vector<storage::BatchRef> sending_;
    std::vector<std::uint64_t> words_;
};

}  // namespace casc::broker
