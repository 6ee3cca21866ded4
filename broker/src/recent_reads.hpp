#pragma once
// What was read from the disk a moment ago: events that a queue group has delivered and is given
// back are mostly there still, and reading them again costs many times what they weigh.

#include "stored_batch.hpp"

#include <casc/types/units.hpp>

#include <algorithm>
#include <deque>
#include <vector>

namespace casc::broker {

// The last answers of the disk, a bounded number and for a bounded time.
//
// Thread: owning shard. Lifetime: keeps the blocks of its batches.
class RecentReads {
public:
    // Batches of a log that follow one another.
    void add(LogId log, const std::vector<storage::BatchRef>& batches, MonoNanos now) {
        if (batches.empty()) return;
        // Of the blocks that are kept; those of one answer share one, which may be mostly empty.
        std::size_t bytes = 0;
        const std::byte* block = nullptr;
        for (const storage::BatchRef& batch : batches) {
            if (batch.block.bytes().data() == block) continue;
            block = batch.block.bytes().data();
            bytes += batch.block.bytes().size();
        }
        reads_.push_back({log, stored_extent(batches.front()).base,
                          stored_extent(batches.back()).end, bytes, now, batches});
        bytes_ += bytes;
        while (bytes_ > kBytesMax || reads_.size() > kReadsMax)
            drop_oldest();
    }

    // Appends the batches that hold [from, until), as far as there are some from `from` on.
    template <class Batches>
    void find(LogId log, Offset from, Offset until, Batches& into) const {
        const auto read = std::find_if(reads_.rbegin(), reads_.rend(), [&](const Read& r) {
            return r.log == log && r.first <= from && from < r.end;
        });
        if (read == reads_.rend()) return;
        auto batch = std::partition_point(
            read->batches.begin(), read->batches.end(),
            [&](const storage::BatchRef& b) { return stored_extent(b).end <= from; });
        for (; batch != read->batches.end() && stored_extent(*batch).base < until; ++batch)
            into.push_back(*batch);
    }

    // Nobody comes back for what is older.
    void forget(MonoNanos now) {
        while (!reads_.empty() && now - reads_.front().at > kKept)
            drop_oldest();
    }

private:
    static constexpr std::size_t kBytesMax = 16_MiB;
    static constexpr std::size_t kReadsMax = 64;  // find() looks at each
    static constexpr auto kKept = MonoNanos::distance(5'000'000'000);

    struct Read {
        LogId log;
        Offset first;
        Offset end;
        std::size_t bytes;
        MonoNanos at;
        std::vector<storage::BatchRef> batches;
    };

    void drop_oldest() {
        bytes_ -= reads_.front().bytes;
        reads_.pop_front();
    }

    std::deque<Read> reads_;
    std::size_t bytes_ = 0;
};

}  // namespace casc::broker
