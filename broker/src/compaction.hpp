#pragma once
// When which compacted log is gone through for events that newer ones have replaced: as soon as
// half of its events are such, one log at a time, a bounded part of it at a time. The store does
// it, on a thread of its own. Only logs that were appended to are ever looked at.

#include "core.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <deque>
#include <map>

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

    [[nodiscard]] bool is_worth_it(LogId log) const;
    void begin(const Topic& topic, LogId log);
    void go_on();
    void end(MonoNanos now);

    Core& core_;
    std::deque<LogId> queue_;
    boost::unordered_flat_set<LogId, std::hash<LogId>> queued_;  // there, or in later_
    // What a pass has had to leave is looked at again when it is old enough.
    std::multimap<MonoNanos, LogId> later_;
    // Events that the last pass has left: they do not make the next one worth it.
    boost::unordered_flat_map<LogId, std::uint64_t, std::hash<LogId>> left_;
    std::optional<Pass> pass_;
    bool stopped_ = false;
    std::uint64_t passes_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace casc::broker
