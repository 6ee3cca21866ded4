#pragma once
// storage/src/tail_cache.hpp: the newest batches of all logs, in memory, for readers at the tail.

#include <casc/storage/store.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <deque>
#include <vector>

namespace casc::storage {

// Holds whole journal entries, first in first out under one budget for all logs. What is not
// checkpointed yet is pinned, because nothing else could serve it. A log that has nothing cached
// costs nothing.
//
// Thread: owning shard.
class TailCache {
public:
    // The batches added from now on are in `block`, the memory of entry `sequence`.
    void begin_entry(JournalSequence sequence, BlockRef block);
    // `bytes` is a stamped batch in the block of the newest entry; its offsets follow those of the
    // log's last batch.
    void add(LogId log, std::uint64_t base, std::uint32_t events, std::span<const std::byte> bytes);

    // As Store::read_tail. False as well when nothing of `log` is cached.
    [[nodiscard]] bool read(LogId log, std::uint64_t from, std::uint64_t until,
                            std::size_t bytes_max, std::vector<BatchRef>& into) const;
    // The first offset of `log` that is cached; nothing when none is.
    [[nodiscard]] std::optional<std::uint64_t> front(LogId log) const;
    // The first cached batch appended at or after `time`, nothing when all are older.
    [[nodiscard]] std::optional<TimeLookup> find_time(LogId log, EpochNanos time) const;
    [[nodiscard]] std::optional<EpochNanos> front_time(LogId log) const;
    // Bytes and first offset of the newest batches of `log` that are no more than `bytes` together.
    struct Newest {
        std::uint64_t start;
        std::uint64_t bytes;
        bool all;  // every cached batch is among them
    };
    [[nodiscard]] std::optional<Newest> newest(LogId log, std::uint64_t bytes) const;

    // Lets the oldest entries go until at most `budget` bytes remain, none newer than
    // `flushed_through`.
    void evict(std::size_t budget, JournalSequence flushed_through);
    void forget(LogId log) { logs_.erase(log); }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    struct CachedBatch {
        std::uint64_t base;
        Block* block;  // kept by the entry
        const std::byte* data;
        std::uint32_t bytes;
        std::uint32_t events;
    };
    struct LogTail {
        std::vector<CachedBatch> batches;
        std::size_t head = 0;  // those before it have been let go
        [[nodiscard]] std::span<const CachedBatch> live() const {
            return std::span(batches).subspan(head);
        }
    };
    struct CachedEntry {
        JournalSequence sequence;
        BlockRef block;
        std::vector<LogId> logs;  // in order of appending, runs of the same log once
    };
    [[nodiscard]] std::span<const CachedBatch> live(LogId log) const;
    void drop_front(LogId log, const Block* block);

    std::deque<CachedEntry> entries_;
    boost::unordered_flat_map<LogId, LogTail, std::hash<LogId>> logs_;
    std::size_t bytes_ = 0;  // of the blocks, used or not
};

}  // namespace casc::storage
