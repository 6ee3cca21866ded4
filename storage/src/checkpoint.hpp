#pragma once
// storage/src/checkpoint.hpp: moves durable journal entries into RocksDB.
//
// Event data never passes through a memtable: the batches of a checkpoint are sorted and written
// straight from the blocks in which they were journaled into one SST file per retention class,
// which is then linked into the current slice. The state rows follow in one WriteBatch.
// docs/adr/0002-checkpoints-build-sst-files.md says why, and docs/storage_format.md, "Checkpoint",
// why a crash between any two steps is harmless.

#include "entry_builder.hpp"
#include "slice_set.hpp"

#include <casc/types/thread.hpp>

#include <rocksdb/write_batch.h>

#include <array>

namespace casc::storage {

// Thread: checkpoint; before it starts, the thread that recovers.
// Lifetime: `rocks` and `slices` must outlive it.
class Checkpointer {
public:
    // By class, up to which sequence its batches are in a slice already.
    using AppliedByClass = std::array<JournalSequence, kRetentionClassCount>;

    Checkpointer(Rocks& rocks, SliceSet& slices, std::filesystem::path ingest_directory,
                 std::size_t slice_bytes, JournalSequence applied,
                 const AppliedByClass& applied_by_class);

    // Takes the next durable entry. Keeps its block until the checkpoint that stores it is
    // complete.
    void add(Entry entry);
    // A row that no entry carries: what recovery has concluded.
    void set_log(LogId log, const LogRow& row) { logs_[log.value()] = row; }

    // Stores everything added so far; nothing to do when there is nothing. After a failure the
    // store is frozen.
    [[nodiscard]] Result<void> checkpoint(EpochNanos now);
    // Writes (or removes) the mark that says that nothing but an orderly shutdown followed the last
    // checkpoint.
    [[nodiscard]] Result<void> mark_clean(bool clean);

    // The directory row of a log was changed by somebody else.
    void forget_directory(SliceId slice);

    // Memory held by entries that are not stored yet.
    [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }
    // Everything up to here is in RocksDB for good.
    [[nodiscard]] JournalSequence applied() const { return applied_; }
    [[nodiscard]] std::uint64_t sst_bytes_written() const { return sst_bytes_written_; }
    [[nodiscard]] std::uint64_t count() const { return count_; }

private:
    struct PendingBatch {
        std::uint64_t log;
        std::uint64_t base;
        std::span<const std::byte> bytes;
    };
    // The directory rows of the current slice of a class that were touched lately. Dropped when it
    // has grown to kDirectoryRowsMax: the state column family has every row.
    struct DirectoryCache {
        SliceId slice;
        boost::unordered_flat_map<std::uint64_t, DirectoryRow> rows;
    };
    static constexpr std::size_t kDirectoryRowsMax = 16384;

    using LogRows = std::vector<std::pair<LogId, DirectoryRow>>;

    void add_records(const Entry& entry);
    // Of a batch of a compacted log: where its keys' last events are now.
    void note_keys(LogId log, std::span<const std::byte> batch);
    // The rows of the keys of a log that is gone.
    [[nodiscard]] Result<void> erase_keys(LogId log, rocksdb::WriteBatch& state);
    [[nodiscard]] Result<SliceRef> slice_for(RetentionClass retention, EpochNanos now);
    // The directory rows that the pending batches lead to. Nothing when a log would not continue in
    // `slice` where it ended there: a crash has left a gap in its offsets, or it has changed its
    // class and come back. Such batches go to a new slice, so that the parts of a log never
    // overlap.
    [[nodiscard]] Result<std::optional<LogRows>> directory_rows(RetentionClass retention,
                                                                SliceId slice);
    [[nodiscard]] Result<void> write_sst(const std::string& path,
                                         const std::vector<PendingBatch>& batches,
                                         const LogRows& rows);
    [[nodiscard]] Result<void> ingest_batches(EpochNanos now, rocksdb::WriteBatch& state);
    [[nodiscard]] Result<void> write_state(rocksdb::WriteBatch& state);
    void forget_pending();

    // Fixed after construction.
    Rocks& rocks_;
    SliceSet& slices_;
    const std::filesystem::path ingest_directory_;
    const std::size_t slice_bytes_;
    // Waiting for the next checkpoint.
    std::vector<BlockRef> blocks_;
    std::array<std::vector<PendingBatch>, kRetentionClassCount> batches_;
    boost::unordered_flat_map<std::string, std::optional<std::string>> state_rows_;
    boost::unordered_flat_set<LogId, std::hash<LogId>> keyed_logs_;  // whose keys are among them
    boost::unordered_flat_map<std::uint64_t, std::optional<LogRow>> logs_;
    std::size_t pending_bytes_ = 0;
    JournalSequence last_;  // newest entry added
    // What RocksDB has.
    JournalSequence applied_;
    AppliedByClass applied_by_class_;
    std::array<DirectoryCache, kRetentionClassCount> directories_;
    Breather breather_;
    std::uint64_t files_made_ = 0;
    std::uint64_t sst_bytes_written_ = 0;
    std::uint64_t count_ = 0;
};

}  // namespace casc::storage
