#pragma once
// Lets go of old events: moves low-water marks when a log grows past its bounds or its oldest
// events past their age. Only logs that were appended to, and those with an age bound that is due,
// are ever looked at.

#include "core.hpp"
#include "unique_queue.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <queue>
#include <vector>

namespace casc::broker {

// Thread: owning shard.
class Retention {
public:
    explicit Retention(Core& core) : core_(core) {}

    // Every log with an age bound, once at start.
    void load();
    // Cheap: notes that `log` has grown.
    void on_append(const Topic& topic, LogId log);
    // The bounds of its topic have changed: looks at it at the next tick.
    void on_bounds_changed(LogId log);
    // Trims what is due, up to a bound that keeps the turn short. Returns whether something was
    // left over.
    bool tick(EpochNanos now);

private:
    struct Due {
        EpochNanos at;
        LogId log;
        friend bool operator>(const Due& a, const Due& b) { return a.at > b.at; }
    };

    static constexpr std::size_t kLogsPerTick = 1024;  // of either kind

    // Whether something went.
    bool look_at_sizes();
    bool look_at_ages(EpochNanos now);
    [[nodiscard]] Result<bool> trim_by_size(const Topic& topic, LogId log);
    // Events that nobody can see yet are not counted: they will be once they are durable, and no
    // append says so then.
    [[nodiscard]] bool grows_yet(const Topic& topic, LogId log) const;
    [[nodiscard]] Result<bool> trim_by_age(const Topic& topic, LogId log, EpochNanos now);
    void schedule(const Topic& topic, LogId log, EpochNanos oldest);

    Core& core_;
    UniqueQueue<LogId> grown_;  // to be looked at by size
    // The place in due_ that counts.
    boost::unordered_flat_map<LogId, EpochNanos, std::hash<LogId>> scheduled_;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace casc::broker
