#pragma once
// When which compacted log is gone through for events that newer ones have replaced: as soon as
// half of its events are such, one log at a time, a bounded part of it at a time. The store does
// it, on a thread of its own. Only logs that were appended to are ever looked at.

#include "core.hpp"
#include "unique_queue.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <chrono>
#include <map>
#include <optional>

namespace casc::broker {

// Thread: owning shard. Lifetime: the store's callbacks refer to it.
class Compaction {
public:
    explicit Compaction(Core& core) : core_(core) {}

    // Once at start, when the keys are known.
    void load();
    // Cheap.
    void on_append(const Topic& topic, LogId log);
    // Begins what is due, if nothing is under way.
    void tick(MonoNanos now);
    void stop() noexcept { stopped_ = true; }
    void forget_topic(TopicId topic);

    [[nodiscard]] std::uint64_t passes() const noexcept { return passes_; }
    [[nodiscard]] std::uint64_t events_taken_out() const noexcept { return events_; }
    [[nodiscard]] std::uint64_t bytes_taken_out() const noexcept { return bytes_; }

private:
    // One log, from its start to where it ended when the pass began.
    struct Pass {
        storage::RewriteRequest request;
        std::uint64_t events = 0;
        std::uint64_t replaced = 0;  // that the log had when it began
    };

    // What the last pass over a log has left.
    struct Left {
        std::uint64_t events = 0;  // they alone do not make the next one worth it
        std::chrono::milliseconds waited{0};
        std::optional<MonoNanos> due{};  // its place in later_
        MonoNanos rests_until{};         // appends do not bring it back before
    };

    [[nodiscard]] bool is_worth_it(LogId log) const;
    // Nothing of it can be old enough yet.
    [[nodiscard]] bool rests(LogId log, MonoNanos now) const;
    void look_again(LogId log, MonoNanos when);
    void begin(const Topic& topic, LogId log);
    void go_on();
    void end(MonoNanos now);

    Core& core_;
    UniqueQueue<LogId> queue_;
    // What a pass has had to leave is looked at again when it may be old enough, each log once.
    std::multimap<MonoNanos, LogId> later_;
    boost::unordered_flat_map<LogId, Left, std::hash<LogId>> left_;
    std::optional<Pass> pass_;
    bool stopped_ = false;
    std::uint64_t passes_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace casc::broker
