#pragma once
// casc/storage/store.hpp: the event store of one shard: journal in front, RocksDB behind, memory
// for the tail.
//
//   append/put ──▶ entry being filled ──journal write──▶ durable ──checkpoint thread──▶ RocksDB
//   (SST files + state)
//                        │                                                │
//                        └── tail cache: the same bytes, for readers ◀────┘ pinned until
//                        checkpointed, then LRU
//
// An entry is whatever gathered while earlier writes were in flight. All batches and state changes
// of one entry become durable together or not at all. Format: docs/storage_format.md.
//
// Thread:   owning shard, except where said. Starts two threads of its own: checkpoint (the only
// writer of RocksDB) and
//           reader (cold reads). They meet the shard only through casc::ring.
// Lifetime: `disk` must outlive it; every BatchRef that it has given out must be gone before it.

#include <casc/storage/block.hpp>
#include <casc/storage/disk.hpp>
#include <casc/storage/journal.hpp>
#include <casc/types/clock.hpp>
#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace casc::storage {

struct StoreOptions {
    std::filesystem::path directory;
    JournalOptions journal;                 // its directory is set by the store
    std::size_t checkpoint_bytes = 64_MiB;  // unflushed batches that start a checkpoint
    std::size_t slice_bytes = 1_GiB;        // a slice is sealed when it has grown to this ...
    // A slice of which less than a quarter has been alive for so long is rewritten; at once when
    // the disk is full.
    std::chrono::milliseconds rewrite_after{60'000};
    // An entry is closed at this size, its header counted, unless one batch needs more. Two in a
    // huge page.
    std::size_t entry_bytes_max = 1_MiB;
    std::size_t tail_cache_bytes = 256_MiB;     // batches kept in memory for readers at the tail
    std::size_t unflushed_bytes_max = 256_MiB;  // at this much, producers are held back
    std::size_t block_cache_bytes = 64_MiB;     // RocksDB's
    std::uint64_t reserve_bytes = 1_GiB;        // free disk space under which appends are refused
};

// How long the events of a log are kept at most; decides which slices they share. The exact bounds
// of a topic are applied on top by trim(). `compacted`: of every key the last event; the store
// keeps a row for each key, and every event has one.
enum class RetentionClass : std::uint8_t {
    hour = 0,
    day = 1,
    week = 2,
    month = 3,
    unlimited = 4,
    compacted = 5,
};
inline constexpr std::size_t kRetentionClassCount = 6;

// Kinds of state rows. The store keeps the rows; the broker gives them meaning. 0..15 are the
// store's own.
enum class StateTable : std::uint8_t {
    topic = 16,
    group = 17,
    group_offset = 18,
    producer = 19,
    broker = 20,
    queue = 21,
    queue_run = 22,
    schedule = 23,
    deleted_event = 24,
};

// What the store knows of a log. Loaded for every log at start (64 bytes each), so an idle log
// costs nothing more.
struct LogState {
    Offset start;             // low-water mark: the first offset that may be read
    Offset end;               // the next offset to be given out
    Offset durable_end;       // everything below is durable
    std::uint64_t bytes = 0;  // stored and not expired, as batches
    EpochNanos last_append;
    std::uint32_t epoch = 0;
};

// When a record's journal entry is written. `soon`: within kSoon, or together with whatever has to
// be written sooner: for events that are seen and acknowledged from memory, so that a thousand of
// them cost the device a few writes and not a thousand.
enum class Urgency { now, soon };
inline constexpr std::chrono::microseconds kSoon{10000};

struct AppendTicket {
    Offset base;
    JournalSequence sequence;  // durable once durable_through() has reached it
    std::uint64_t arrival;     // the stamped arrival number, rising over all lanes of a partition
};

// A log whose durable end has moved.
struct Advanced {
    LogId log;
    Offset durable_end;
};

struct ReadRequest {
    std::uint64_t token;  // comes back with the answer
    LogId log;
    Offset from;
    Offset until;  // exclusive: batches at or beyond it are not returned
    std::size_t bytes_max;
};

struct ReadAnswer {
    std::uint64_t token;
    // In order; the first one contains or follows `from`. Empty: nothing is stored in [from,
    // until), because it was trimmed or because a crash has left a gap there; go on at `until`.
    Result<std::vector<BatchRef>> batches;
};

// What is known of a key of a compacted log: its last event.
struct KeyState {
    Offset offset;
    EpochNanos append_time;
    std::uint32_t value_bytes = 0;
    bool is_tombstone = false;
};
// What compaction has done to a log so far.
struct CompactedState {
    Offset complete_from;      // tombstones below may be gone
    std::uint64_t events = 0;  // that were taken out
};

// Events to be taken out of a log where it is stored.
struct RewriteRequest {
    LogId log;
    Offset from;
    Offset until;                    // exclusive
    std::vector<Offset> erased{};    // in order: these in any case
    bool compacts = false;           // and those that a newer event of their key has replaced ...
    EpochNanos replaced_before{};    // ... which were appended before then;
    EpochNanos tombstones_before{};  // and tombstones, which were appended before both
};
struct Rewritten {
    Offset next;               // where to go on; `until`, when it is done
    std::uint64_t events = 0;  // taken out
    std::uint64_t bytes = 0;   // by so much the log has become shorter
    Offset complete_from{};    // tombstones below are gone; 0: none was taken out
};

struct TimeLookup {
    Offset offset;  // of the first batch appended at or after the asked time; the log's end when
                    // there is none
    EpochNanos time;
};

class Store {
public:
    // Recovers: opens RocksDB, replays the journal, cuts its torn tail. Nothing is modified when it
    // fails.
    [[nodiscard]] static Result<std::unique_ptr<Store>> open(Disk& disk,
                                                             const StoreOptions& options);
    ~Store();

    // --- state rows, read once at start ----------------------------------------------------------

    // Calls `row` for every row of `table` in key order. Only before the first append or put.
    void scan(StateTable table,
              const std::function<void(std::string_view key, std::string_view value)>& row);

    // Calls `visit` for every key that a compacted log has ever had and that is not forgotten, and
    // for every compacted log. Only before the first append or put.
    void scan_keys(const std::function<void(LogId, std::string_view key, const KeyState&)>& visit);
    void scan_compacted(const std::function<void(LogId, const CompactedState&)>& visit);

    // --- writing: everything below goes into the entry being filled ------------------------------

    // Copies `batch` (complete and already checked with wire::BatchView::parse and its checksum) to
    // the end of `log` and stamps base offset, arrival, epoch and time into the copy. On failure
    // nothing was added. Fails with: storage_failed, disk_full, overloaded.
    [[nodiscard]] Result<AppendTicket> append(LogId log, RetentionClass retention,
                                              std::span<const std::byte> batch, EpochNanos now,
                                              Urgency urgency = Urgency::now);

    // Absolute, idempotent changes of a state row. Return the sequence they become durable with.
    [[nodiscard]] Result<JournalSequence> put(StateTable table, std::string_view key,
                                              std::string_view value,
                                              Urgency urgency = Urgency::now);
    [[nodiscard]] Result<JournalSequence> erase(StateTable table, std::string_view key);

    // Moves the low-water mark of `log` up to `start`; the space comes back when whole slices are
    // below their marks.
    [[nodiscard]] Result<JournalSequence> trim(LogId log, Offset start);
    // Forgets `log` and everything in it. Its id must not be used again.
    [[nodiscard]] Result<JournalSequence> erase_log(LogId log);
    // For topics whose events are seen before they are durable: after a crash the log continues at
    // or above `ceiling` with a higher epoch, so that no offset is ever used twice.
    [[nodiscard]] Result<JournalSequence> reserve(LogId log, Offset ceiling);

    // Whatever is appended and put next, up to so many bytes of batches and of rows, is taken
    // without fail and will be in one entry, and so become durable together or not at all. Count 16
    // bytes for each record, and its key and value (or batch) rounded up to a multiple of 8. On
    // failure nothing was added. Fails with: event_too_large, storage_failed, disk_full,
    // overloaded.
    [[nodiscard]] Result<void> keep_together(std::size_t batch_bytes, std::size_t row_bytes);

    // The sequence that whatever is appended or put next will be part of.
    [[nodiscard]] JournalSequence filling() const noexcept;

    // Starts the write of the entry being filled when there is something in it, it is due by
    // `until`, and a slot is free. Called after each turn of the event loop, so entries grow with
    // load. The system call takes tens of microseconds; with MonoNanos{} it is made only for an
    // entry that somebody waits for.
    void submit(MonoNanos until = mono_now());
    // Somebody waits for `sequence`: if it is still being filled, it is due now.
    void hurry(JournalSequence sequence);
    // When submit() must be called at the latest; none: nothing waits for a time.
    [[nodiscard]] std::optional<MonoNanos> submit_due() const noexcept;

    // Takes completions of the journal, the checkpoint thread and the reader thread. Returns
    // durable_through(); `advanced` gets the logs whose durable end moved, `answers` the cold reads
    // that are ready.
    JournalSequence poll(std::vector<Advanced>& advanced, std::vector<ReadAnswer>& answers);

    // Descriptors that become readable when poll() has something to do.
    [[nodiscard]] std::vector<int> event_fds() const;

    [[nodiscard]] JournalSequence durable_through() const noexcept;

    // True while appends come faster than they can be flushed or would never succeed again: stop
    // reading from producers. A full disk is not among it, append() says so.
    [[nodiscard]] bool congested() const noexcept;
    // When the passing of time alone ends that: ask congested() again then. Nothing: only poll()
    // can.
    [[nodiscard]] std::optional<MonoNanos> admits_at() const noexcept;
    // Whether an append would be taken now. Fails with: storage_failed, disk_full, overloaded.
    [[nodiscard]] Result<void> accepts();
    // Set once the journal or RocksDB has failed: nothing is acknowledged any more until restart.
    [[nodiscard]] const std::optional<Error>& failure() const noexcept;

    // --- reading ---------------------------------------------------------------------------------

    [[nodiscard]] std::optional<LogState> log_state(LogId log) const;
    // Every log that exists, in LogId order; for start-up and for listings of one topic pass the
    // range.
    void for_each_log(LogId first, LogId last,
                      const std::function<void(LogId, const LogState&)>& visit) const;

    // Appends to `into` the cached batches of `log` from the one that holds `from`, up to `until`
    // and `bytes_max` (but at least one). False: `from` is below what the cache holds, use
    // post_read().
    [[nodiscard]] bool read_tail(LogId log, Offset from, Offset until, std::size_t bytes_max,
                                 std::vector<BatchRef>& into);
    // Reads from RocksDB on the reader thread; the answer comes from poll(). Overlaps with the tail
    // cache: everything that the cache no longer holds is readable here.
    void post_read(const ReadRequest& request);
    // The first offset appended at or after `time`, by tail cache and slice directories. May read
    // from disk.
    [[nodiscard]] Result<TimeLookup> find_time(LogId log, EpochNanos time);
    // The largest start such that at most `bytes` / `events` remain / everything older than `time`
    // goes; whole batches.
    [[nodiscard]] Result<Offset> start_for_bytes(LogId log, std::uint64_t bytes);

    // --- maintenance -----------------------------------------------------------------------------

    // Drops slices in which every log is below its low-water mark; rewrites those whose live share
    // has been under a quarter for `rewrite_after`, when their time has come, unasked. Runs on the
    // checkpoint thread; cheap to call often.
    void post_reclaim();

    // Takes events out of a log, as far as it is stored: a bounded part of it, on the checkpoint
    // thread. What is left has its offsets; each batch that loses something is replaced by one for
    // each run of events that stay. In one step of RocksDB's manifest: a crash leaves all of them
    // or none. The bytes leave the disk when the slice is rewritten. `done` is called from poll().
    void post_rewrite(RewriteRequest request, std::function<void(Result<Rewritten>)> done);

    // A consistent copy (RocksDB checkpoint plus the journal from there on) into an empty `target`;
    // runs on the checkpoint thread, `done` is called from poll().
    void post_backup(const std::filesystem::path& target,
                     std::function<void(Result<std::uint64_t> bytes)> done);

    // Waits until everything appended is durable and checkpointed, and reclaiming and backups that
    // have begun are done; what is due to be reclaimed is left to the next start. For clean
    // shutdown, benches and tests: a store that is destroyed right after it was shut down in order;
    // one destroyed with work left will recover as after a crash.
    [[nodiscard]] Result<void> drain();

    struct Stats {
        Journal::Usage journal;
        std::uint64_t entries = 0;           // submitted since start
        std::uint64_t journal_bytes = 0;     // written since start, padding included
        std::uint64_t batch_bytes = 0;       // appended since start
        std::uint64_t checkpoint_bytes = 0;  // written to SST files since start
        std::uint64_t checkpoints = 0;
        std::uint64_t unflushed_bytes = 0;
        std::uint64_t tail_cache_bytes = 0;
        std::uint64_t slices = 0;
        std::uint64_t sst_bytes = 0;
        std::uint64_t logs = 0;
        std::uint64_t disk_free_bytes = 0;
        std::uint64_t torn_entries = 0;      // cut at the last start
        std::uint64_t replayed_entries = 0;  // at the last start
        std::uint64_t cold_reads = 0;
    };
    [[nodiscard]] Stats stats() const;

private:
    class Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Offline: walks every checksum of journal, SST files and batches in `directory` without changing
// anything.
struct VerifyReport {
    std::uint64_t journal_entries = 0;
    std::uint64_t torn_entries = 0;
    std::uint64_t batches = 0;
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t logs = 0;
    std::vector<std::string> damage;  // one line per finding; empty: everything is well
};
[[nodiscard]] Result<VerifyReport> verify_store(
    Disk& disk, const std::filesystem::path& directory,
    const std::function<void(std::uint64_t done, std::uint64_t all)>& progress);

// Offline: puts a backup made by post_backup into an empty or missing `directory`, verified first.
[[nodiscard]] Result<void> restore_store(Disk& disk, const std::filesystem::path& backup,
                                         const std::filesystem::path& directory);

}  // namespace casc::storage
