#pragma once
// One log of a volatile topic: its newest batches, in memory and nowhere else.

#include "batch_arena.hpp"

#include <casc/storage/store.hpp>
#include <casc/types/vocabulary.hpp>

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace casc::broker {

// How much of a log is kept; negative: no bound of that kind.
struct VolatileBounds {
    std::uint64_t bytes;
    std::int64_t events = -1;
};

// Thread: owning shard.
class VolatileLog {
public:
    struct Kept {
        storage::BatchRef batch;
        Offset base;
        Offset end;
        EpochNanos time;
        std::uint64_t block;  // which one of the log's, counted
    };

    VolatileLog(ArenaPools& pools, Offset first) : arena_(pools), end_(first) {}

    // Copies `batch` (checked) to the end and stamps the copy. True: a block was begun for it.
    bool append(std::span<const std::byte> batch, EpochNanos now, std::uint64_t arrival,
                std::uint32_t epoch);

    [[nodiscard]] Offset start() const noexcept {
        return kept_.empty() ? end_ : kept_.front().base;
    }
    [[nodiscard]] Offset end() const noexcept { return end_; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] EpochNanos last_append() const noexcept { return last_append_; }
    [[nodiscard]] const std::deque<Kept>& kept() const noexcept { return kept_; }
    // Of the block that was begun last, and of the oldest one that is still there.
    [[nodiscard]] std::uint64_t last_block() const noexcept { return blocks_; }
    [[nodiscard]] std::uint64_t first_block() const noexcept {
        return kept_.empty() ? blocks_ + 1 : kept_.front().block;
    }

    // As Store::read_tail(); what is below start() is not there.
    void read(Offset from, Offset until, std::size_t bytes_max,
              std::vector<storage::BatchRef>& into) const;
    // The first batch that was appended at or after `time`; the end when there is none.
    [[nodiscard]] storage::TimeLookup find_time(EpochNanos time) const;

    // Lets go of whole batches. The newest is kept by trim() unless it is older than asked for.
    void trim_below(Offset start);
    void trim(const VolatileBounds& bounds);
    void trim_older(EpochNanos than);
    // Everything in the blocks up to number `block`.
    void drop_block(std::uint64_t block);

private:
    void pop_front();

    BatchArena arena_;
    std::deque<Kept> kept_;
    Offset end_;
    std::uint64_t bytes_ = 0;
    std::uint64_t blocks_ = 0;  // begun so far
    EpochNanos last_append_;
};

}  // namespace casc::broker
