#pragma once
// storage/src/checkpoint_thread.hpp: the thread that owns the Checkpointer, and how the shard talks
// to it.

#include "checkpoint.hpp"
#include "log_rewriter.hpp"
#include "retention.hpp"
#include "store_pools.hpp"

#include <casc/ring/ring.hpp>
#include <casc/types/thread.hpp>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

namespace casc::storage {

// What the shard sends.
struct CheckpointOrder {
    enum class Kind { entry, checkpoint, reclaim, rewrite, backup, close };
    Kind kind = Kind::checkpoint;
    Entry entry{};                   // of entry
    std::filesystem::path target{};  // of backup
    bool space_short = false;        // of reclaim
    RewriteRequest rewrite{};        // of rewrite
};

// What it hears. Every order but `entry` is answered once; `flushed` comes with every checkpoint as
// well.
struct CheckpointNews {
    enum class Kind { flushed, checkpointed, reclaimed, rewritten, backed_up, closed };
    Kind kind = Kind::flushed;
    JournalSequence flushed_through{};
    Result<std::uint64_t> result{0};         // bytes of a backup; the failure of anything
    std::chrono::nanoseconds took{};         // the work since the last news, waiting left out
    std::optional<MonoNanos> reclaim_due{};  // when there is more to be had
    Rewritten rewritten{};                   // of rewritten
};

// The only writer of RocksDB while the store runs.
//
// Thread:   constructed, try_send(), receive() and hurry() by the shard; the rest runs on its own.
// Lifetime: the references must outlive it. After a failure it answers every order with it.
class CheckpointThread {
public:
    // Never more than this many orders are under way, so that neither ring can be found full by the
    // thread.
    static constexpr std::size_t kOrdersMax = 1024;

    // `entry_pools` are what the shard fills entries from: the thread restocks them by the way.
    CheckpointThread(Checkpointer& checkpointer, Rocks& rocks, Reclaimer& reclaimer,
                     LogRewriter& rewriter, SizedPools& entry_pools, std::size_t checkpoint_bytes,
                     std::shared_ptr<ring::Waker> shard);
    ~CheckpointThread();
    CheckpointThread(const CheckpointThread&) = delete;
    CheckpointThread& operator=(const CheckpointThread&) = delete;

    // False when too much is under way; `order` is untouched then.
    [[nodiscard]] bool try_send(CheckpointOrder&& order) {
        return orders_.producer.try_push(std::move(order));
    }
    [[nodiscard]] std::optional<CheckpointNews> receive() { return news_.consumer.try_pop(); }
    [[nodiscard]] bool ready() { return news_.consumer.ready(); }
    // Somebody waits for its work, or nobody does any more.
    void hurry(bool hurried) noexcept { priority_.hurry(hurried); }

    // Shared atomics, written by the thread, read by anyone for statistics only.
    struct Counters {
        std::atomic<std::uint64_t> checkpoints{0};
        std::atomic<std::uint64_t> sst_bytes_written{0};
    };
    [[nodiscard]] const Counters& counters() const { return counters_; }

private:
    void run();
    void obey(CheckpointOrder&& order);
    void carry_out(CheckpointOrder&& order);
    void note_work();
    void checkpoint();
    void tell(CheckpointNews::Kind kind, Result<std::uint64_t> result = 0,
              const Rewritten& rewritten = {});
    void rewrite(const RewriteRequest& request);
    [[nodiscard]] Result<std::uint64_t> answer(CheckpointOrder& order);

    Checkpointer& checkpointer_;
    Rocks& rocks_;
    Reclaimer& reclaimer_;
    LogRewriter& rewriter_;
    SizedPools& entry_pools_;
    const std::size_t checkpoint_bytes_;
    std::shared_ptr<ring::Waker> waker_;
    ring::Ring<CheckpointOrder> orders_;
    ring::Ring<CheckpointNews> news_;
    Counters counters_;
    BackgroundPriority priority_;
    std::latch prioritised_{1};
    // Owned by the thread.
    std::optional<Error> failure_;
    Breather breather_;
    MonoNanos began_{};                  // the work that is not in `worked_` yet
    std::chrono::nanoseconds worked_{};  // since the last news
    std::thread thread_;
};

}  // namespace casc::storage
