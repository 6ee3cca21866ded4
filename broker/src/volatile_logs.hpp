#pragma once
// All logs of volatile topics, and the memory that they may take together.
//
// Offsets begin anew with each start of the broker, at its time in nanoseconds, and the epoch is
// that time in seconds: a position that a reader has kept from before lies below everything that
// there is now, and is out of range instead of meaning another event. (No log gets a thousand
// million events per second, so the numbers of one start never reach those of the next.)

#include "topic.hpp"
#include "volatile_log.hpp"

#include <casc/broker/config.hpp>

#include <deque>
#include <functional>
#include <map>
#include <vector>

namespace casc::broker {

// Thread: owning shard.
class VolatileLogs {
public:
    explicit VolatileLogs(EpochNanos started);

    struct Appended {
        Offset base;
        std::uint32_t epoch;
    };
    // Copies a checked batch to the end of its log; what no longer fits the bounds goes.
    Appended append(const Topic& topic, LogId log, std::span<const std::byte> batch, EpochNanos now,
                    const Config::Volatile& bounds);

    // Also of a log that has no event yet: it begins where it ends.
    [[nodiscard]] storage::LogState state(LogId log) const;
    // Those that have ever had an event, in order.
    void for_each(TopicId topic,
                  const std::function<void(LogId, const storage::LogState&)>& visit) const;
    [[nodiscard]] const VolatileLog* find(LogId log) const;
    void read(LogId log, Offset from, Offset until, std::size_t bytes_max,
              std::vector<storage::BatchRef>& into) const;
    [[nodiscard]] storage::TimeLookup find_time(LogId log, EpochNanos time) const;

    void trim(LogId log, Offset start);
    // Lets go of what is older than its topic keeps it.
    void expire(const std::function<const Topic*(TopicId)>& find_topic, EpochNanos now);
    void forget_topic(TopicId topic);

    // Of memory in use: also what logs have let go and readers have not.
    [[nodiscard]] std::size_t bytes() const noexcept { return pools_.bytes_in_use(); }
    // Taps hold so much that there has to be less.
    [[nodiscard]] bool pressed(const Config::Volatile& bounds) const noexcept {
        return bytes() > 2 * bounds.memory_bytes;
    }
    // Events that were let go because all logs together had become too large.
    [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }
    [[nodiscard]] ArenaPools& pools() noexcept { return pools_; }

private:
    struct Block {
        LogId log;
        std::uint64_t number;  // of the log's
    };

    [[nodiscard]] storage::LogState state_of(const VolatileLog& log) const;
    void keep_within(std::uint64_t memory_bytes);
    void forget_blocks_that_are_gone();

    // Fixed after construction.
    const Offset first_;
    const std::uint32_t epoch_;

    ArenaPools pools_;
    std::map<LogId, VolatileLog> logs_;
    std::deque<Block> blocks_;  // in the order in which they were begun; some may be gone
    std::uint64_t arrival_ = 0;
    std::uint64_t evicted_ = 0;
};

}  // namespace casc::broker
