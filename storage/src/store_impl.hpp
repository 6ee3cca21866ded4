#pragma once
// storage/src/store_impl.hpp: the state of a Store. Its functions are in store_append.cpp (what is
// written), store_poll.cpp (what completes), store_lookup.cpp (what is asked) and
// store_recovery.cpp (how it starts).

#include "checkpoint_thread.hpp"
#include "entry_builder.hpp"
#include "flush_pace.hpp"
#include "reader_thread.hpp"
#include "store_pools.hpp"
#include "tail_cache.hpp"

#include <casc/storage/store.hpp>
#include <casc/types/fail_point.hpp>

#include <deque>

namespace casc::storage {

// The folders and files of a store.
struct StorePaths {
    explicit StorePaths(const std::filesystem::path& folder)
        : root(folder),
          format(folder / "FORMAT"),
          lock(folder / "LOCK"),
          journal(folder / "journal"),
          rocks(folder / "rocks"),
          ingest(folder / "ingest") {}
    std::filesystem::path root, format, lock, journal, rocks;
    std::filesystem::path
        ingest;  // SST files being built; beside RocksDB's own so that they can be linked into it
};

// Thread: owning shard.
class Store::Impl {
public:
    Impl(Disk& disk, const StoreOptions& options);
    ~Impl();

    // store_recovery.cpp
    [[nodiscard]] Result<void> recover();

    // store_append.cpp
    [[nodiscard]] Result<AppendTicket> append(LogId log, RetentionClass retention,
                                              std::span<const std::byte> batch, EpochNanos now,
                                              Urgency urgency);
    [[nodiscard]] Result<JournalSequence> add_row(RecordKind kind, StateTable table,
                                                  std::string_view key, std::string_view value,
                                                  Urgency urgency);
    [[nodiscard]] Result<JournalSequence> trim(LogId log, Offset start);
    [[nodiscard]] Result<JournalSequence> erase_log(LogId log);
    [[nodiscard]] Result<JournalSequence> reserve(LogId log, Offset ceiling);
    [[nodiscard]] Result<void> keep_together(std::size_t batch_bytes, std::size_t row_bytes);
    [[nodiscard]] JournalSequence filling() const noexcept;
    void submit(MonoNanos until);
    void hurry(JournalSequence sequence);
    [[nodiscard]] std::optional<MonoNanos> submit_due() const noexcept;

    // store_poll.cpp
    JournalSequence poll(std::vector<Advanced>& advanced, std::vector<ReadAnswer>& answers);
    [[nodiscard]] std::vector<int> event_fds() const;
    [[nodiscard]] Result<void> drain();
    [[nodiscard]] Result<void> accepts();
    [[nodiscard]] bool congested() const noexcept;
    [[nodiscard]] std::optional<MonoNanos> admits_at() const noexcept;
    void post_read(const ReadRequest& request);
    void post_reclaim();
    void post_backup(const std::filesystem::path& target,
                     std::function<void(Result<std::uint64_t>)> done);
    void post_rewrite(RewriteRequest request, std::function<void(Result<Rewritten>)> done);

    // store_lookup.cpp
    void scan(StateTable table, const std::function<void(std::string_view, std::string_view)>& row);
    void scan_keys(const std::function<void(LogId, std::string_view, const KeyState&)>& visit);
    void scan_compacted(const std::function<void(LogId, const CompactedState&)>& visit);
    void scan_own(OwnTable table,
                  const std::function<void(std::string_view, std::string_view)>& row);
    [[nodiscard]] std::optional<LogState> log_state(LogId log) const;
    void for_each_log(LogId first, LogId last,
                      const std::function<void(LogId, const LogState&)>& visit) const;
    [[nodiscard]] bool read_tail(LogId log, Offset from, Offset until, std::size_t bytes_max,
                                 std::vector<BatchRef>& into);
    [[nodiscard]] Result<TimeLookup> find_time(LogId log, EpochNanos time);
    [[nodiscard]] Result<Offset> start_for_bytes(LogId log, std::uint64_t bytes);
    [[nodiscard]] Stats stats() const;

    [[nodiscard]] JournalSequence durable_through() const noexcept {
        return seeded_bug("ack_before_complete") ? submitted_through() : durable_;
    }
    [[nodiscard]] JournalSequence submitted_through() const noexcept {
        return in_flight_.empty() ? durable_ : in_flight_.back().sequence;
    }
    [[nodiscard]] const std::optional<Error>& failure() const noexcept { return failure_; }

private:
    // A log with changes that are not durable yet, and where they are.
    struct ActiveLog {
        std::uint64_t durable_end;
        JournalSequence touched{};  // the newest entry that changes it
        std::size_t change = 0;     // its place in that entry's changes
    };
    // How far the slices are, and those that are further than the state rows.
    struct Applied {
        Checkpointer::AppliedByClass by_class;
        std::vector<SliceRef> ahead;
    };
    struct PendingRead {
        ReadRequest request;
        std::optional<std::uint64_t> cache_front;  // when it was posted
    };

    // Recovery, in order.
    [[nodiscard]] Result<bool> claim_folder();  // true: it is new
    [[nodiscard]] Result<void> raise_format();
    [[nodiscard]] bool was_never_opened() const;
    [[nodiscard]] Result<void> examine();
    [[nodiscard]] Result<void> examine_slices();
    [[nodiscard]] Result<void> examine_journal();
    [[nodiscard]] Result<void> open_rocks(bool is_new);
    [[nodiscard]] Result<void> clear_ingest_folder();
    [[nodiscard]] Result<Applied> load_applied();
    [[nodiscard]] Result<void> repair_directory(const SliceRef& slice);
    [[nodiscard]] Result<void> read_directory(const SliceRef& slice, rocksdb::WriteBatch& rows);
    [[nodiscard]] Result<void> load_logs();
    [[nodiscard]] Result<void> replay();
    [[nodiscard]] Result<void> replay_entry(const RecoveredEntry& recovered);
    [[nodiscard]] Result<void> continue_logs();
    void start_threads();

    // Writing.
    [[nodiscard]] Result<void> accept(std::size_t bytes_limit) const;
    [[nodiscard]] Result<void> accept_batch(std::size_t bytes);
    [[nodiscard]] Result<void> accept_rows();
    // Whether so many bytes are part of what keep_together() has promised to take.
    [[nodiscard]] bool take_promised(std::size_t bytes) noexcept;
    [[nodiscard]] Result<void> make_room(std::size_t bytes, Urgency urgency);
    void open_entry(std::size_t bytes);
    void seal();
    [[nodiscard]] Entry finish_entry();
    void write(Entry entry);
    LogChange& touch(LogId log);
    [[nodiscard]] JournalSequence last_change(LogId log) const;
    [[nodiscard]] Result<JournalSequence> change_log(RecordKind kind, LogId log, const LogRow& row,
                                                     std::uint64_t number);
    void check_space();
    [[nodiscard]] bool is_full() const noexcept;  // until poll() has news, if ever
    [[nodiscard]] std::size_t unflushed_limit() const noexcept {
        return options_.unflushed_bytes_max / 4 * 3;
    }

    // Completions.
    void collect();
    void take_durable();
    void mark_when_idle();
    void complete(Entry entry);
    void take_news();
    void forget_flushed(const CheckpointNews& news);
    void take_answers();
    void answer_empty(PendingRead read);
    void end_rewrite(const CheckpointNews& news);
    [[nodiscard]] MonoNanos due() const noexcept;
    [[nodiscard]] bool checkpoints_awaited() const;
    void unhurry_checkpoints();
    void send_waiting();
    void send_orders();
    void order(CheckpointOrder order);
    void ask_for_room();
    void reclaim_what_is_due();
    [[nodiscard]] Result<void> drain_all();
    void wait_for_news();
    void fail(Error error);
    void send_read(PendingRead read);
    [[nodiscard]] bool all_stored() const;
    void close();

    // Fixed after construction.
    Disk& disk_;
    const StoreOptions options_;
    const StorePaths paths_;
    std::unique_ptr<Disk::Lock> lock_;
    std::optional<JournalSequence> restored_;  // see StoreFormat
    bool is_older_ = false;                    // the folder's format is

    // Memory: outlives every reference to it below.
    SizedPools entry_pools_;
    SizedPools answer_pools_;

    // The disk. Destroyed in the opposite order: threads, journal, slices, database.
    std::unique_ptr<Rocks> rocks_;
    std::unique_ptr<SliceSet> slices_;
    std::unique_ptr<Checkpointer> checkpointer_;
    std::unique_ptr<Reclaimer> reclaimer_;
    std::unique_ptr<LogRewriter> rewriter_;
    std::unique_ptr<Journal> journal_;
    std::shared_ptr<ring::Waker> waker_ = std::make_shared<ring::Waker>();
    bool waker_armed_ = false;
    std::unique_ptr<CheckpointThread> checkpoint_thread_;
    std::unique_ptr<ReaderThread> reader_thread_;

    // What there is.
    LogIndex logs_;
    TailCache tail_;

    // Entries on their way: filling -> sealed -> in flight (journal) -> durable (waiting for room
    // in the ring).
    EntryBuilder builder_;
    MonoNanos due_{};  // when the entry being filled is to be written
    std::size_t expected_entry_bytes_ = 0;
    std::deque<Entry> sealed_;
    std::deque<Entry> in_flight_;
    boost::unordered_flat_map<LogId, ActiveLog, std::hash<LogId>> active_;
    std::deque<CheckpointOrder> waiting_orders_;
    std::size_t waiting_entry_bytes_ = 0;  // of the entries among them
    bool order_waits_ = false;             // there is another kind among them
    JournalSequence durable_;
    MonoNanos last_completion_{};

    // Entries that are not checkpointed, oldest first, and what they cost in memory.
    std::deque<std::pair<JournalSequence, std::size_t>> unflushed_;
    std::size_t unflushed_bytes_ = 0;
    FlushPace pace_{options_.checkpoint_bytes, unflushed_limit()};
    JournalSequence flushed_through_;
    bool checkpoint_asked_ = false;           // an order to checkpoint is under way
    std::optional<MonoNanos> reclaim_asked_;  // since when an order to reclaim is under way
    std::optional<MonoNanos> reclaim_due_;    // without being asked
    bool draining_ = false;
    bool closing_ = false;
    bool closed_ = false;
    std::deque<std::function<void(Result<std::uint64_t>)>> backups_;
    struct PendingRewrite {
        LogId log;
        std::function<void(Result<Rewritten>)> done;
        MonoNanos since;
    };
    std::deque<PendingRewrite> rewrites_;

    // Reads, by our own number.
    boost::unordered_flat_map<std::uint64_t, PendingRead> reads_;
    std::deque<ReadOrder> waiting_reads_;
    std::uint64_t next_read_ = 1;

    // For the next poll().
    std::vector<Advanced> advanced_;
    boost::unordered_flat_map<LogId, std::size_t, std::hash<LogId>> advanced_at_;
    std::vector<ReadAnswer> answers_;

    std::optional<Error> failure_;
    bool disk_full_ = false;
    std::uint64_t disk_free_bytes_ = 0;
    std::size_t bytes_to_space_check_ = 0;
    std::size_t promised_bytes_ = 0;  // that will be taken without fail ...
    JournalSequence promised_in_;     // ... into this entry
    Stats stats_;
};

}  // namespace casc::storage
