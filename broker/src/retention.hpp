#pragma once
// Lets go of old events: moves low-water marks when a log grows past its bounds or its oldest
// events past their age. Only logs that were appended to, and those with an age bound that is due,
// are ever looked at.

#include "core.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

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

    static constexpr std::size_t kLogsPerTick = 1024;

    [[nodiscard]] Result<bool> trim_by_size(const Topic& topic, LogId log);
    [[nodiscard]] Result<bool> trim_by_age(const Topic& topic, LogId log, EpochNanos now);
    void schedule(const Topic& topic, LogId log, EpochNanos oldest);

    Core& core_;
    boost::unordered_flat_set<LogId, std::hash<LogId>> grown_;      // to be checked by size
    boost::unordered_flat_set<LogId, std::hash<LogId>> scheduled_;  // in due_, at least once
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace casc::broker
