#include "checkpoint_thread.hpp"

#include "backup.hpp"

#include <casc/types/clock.hpp>

#include <pthread.h>
#include <utility>

namespace casc::storage {

CheckpointThread::CheckpointThread(Checkpointer& checkpointer, Rocks& rocks, Reclaimer& reclaimer,
                                   LogRewriter& rewriter, SizedPools& entry_pools,
                                   std::size_t checkpoint_bytes, std::shared_ptr<ring::Waker> shard)
    : checkpointer_(checkpointer),
      rocks_(rocks),
      reclaimer_(reclaimer),
      rewriter_(rewriter),
      entry_pools_(entry_pools),
      checkpoint_bytes_(checkpoint_bytes),
      waker_(std::make_shared<ring::Waker>()),
      orders_(ring::make_ring<CheckpointOrder>(kOrdersMax, waker_)),
      // An order causes at most a `flushed` and its answer. The shard takes all news before it
      // sends anything, so unread news never belong to more orders than fit the other ring twice.
      news_(ring::make_ring<CheckpointNews>(4 * kOrdersMax, std::move(shard))),
      thread_([this] { run(); }) {
    prioritised_.wait();  // from now on it can be hurried
}

CheckpointThread::~CheckpointThread() {
    priority_.hurry(true);
    orders_.producer.close();
    thread_.join();
}

void CheckpointThread::run() {
    pthread_setname_np(pthread_self(), "casc-checkpoint");
    // It has tens of milliseconds of work at a time, and mostly nobody waits for it.
    priority_.begin();
    prioritised_.count_down();
    auto& orders = orders_.consumer;
    while (orders.state() != ring::RingState::closed) {
        const std::size_t obeyed =
            orders.drain([this](CheckpointOrder&& order) { obey(std::move(order)); }, 1);
        if (obeyed != 0) continue;
        entry_pools_.restock(breather_);
        waker_->wait([&] { return orders.ready(); });
    }
}

void CheckpointThread::obey(CheckpointOrder&& order) {
    began_ = mono_now();
    carry_out(std::move(order));
    note_work();
}

void CheckpointThread::note_work() {
    const MonoNanos now = mono_now();
    worked_ += std::chrono::nanoseconds((now - std::exchange(began_, now)).value());
}

void CheckpointThread::carry_out(CheckpointOrder&& order) {
    if (order.kind == CheckpointOrder::Kind::entry) {
        if (failure_) return;
        checkpointer_.add(std::move(order.entry));
        if (checkpointer_.pending_bytes() >= checkpoint_bytes_) checkpoint();
        return;
    }
    if (order.kind == CheckpointOrder::Kind::rewrite) return rewrite(order.rewrite);
    auto result = failure_ ? Result<std::uint64_t>(*failure_) : answer(order);
    switch (order.kind) {
        case CheckpointOrder::Kind::entry:
        case CheckpointOrder::Kind::rewrite:
            break;
        case CheckpointOrder::Kind::checkpoint:
            return tell(CheckpointNews::Kind::checkpointed, std::move(result));
        case CheckpointOrder::Kind::reclaim:
            return tell(CheckpointNews::Kind::reclaimed, std::move(result));
        case CheckpointOrder::Kind::backup:
            return tell(CheckpointNews::Kind::backed_up, std::move(result));
        case CheckpointOrder::Kind::close:
            return tell(CheckpointNews::Kind::closed, std::move(result));
    }
}

// Everything but `entry` begins with a checkpoint: reclaiming needs the low-water marks stored, a
// backup the events.
Result<std::uint64_t> CheckpointThread::answer(CheckpointOrder& order) {
    checkpoint();
    if (failure_) return *failure_;
    switch (order.kind) {
        case CheckpointOrder::Kind::reclaim:
            CASC_TRY_VOID(reclaimer_.run(mono_now(), order.space_short));
            return std::uint64_t{0};
        case CheckpointOrder::Kind::backup:
            return make_backup(rocks_, order.target, checkpointer_.applied());
        case CheckpointOrder::Kind::close:
            CASC_TRY_VOID(checkpointer_.mark_clean(true));
            return std::uint64_t{0};
        case CheckpointOrder::Kind::entry:
        case CheckpointOrder::Kind::checkpoint:
        case CheckpointOrder::Kind::rewrite:
            break;
    }
    return std::uint64_t{0};
}

void CheckpointThread::rewrite(const RewriteRequest& request) {
    checkpoint();
    if (failure_) return tell(CheckpointNews::Kind::rewritten, *failure_);
    const auto done = rewriter_.run(request);
    if (!done) return tell(CheckpointNews::Kind::rewritten, done.error());
    tell(CheckpointNews::Kind::rewritten, 0, *done);
}

void CheckpointThread::checkpoint() {
    if (failure_) return;
    auto done = checkpointer_.checkpoint(wall_now());
    if (done) {
        if (auto error = rocks_.background_error()) done = std::move(*error);
    }
    if (!done) failure_ = done.error();
    counters_.checkpoints.store(checkpointer_.count(), std::memory_order_relaxed);
    counters_.sst_bytes_written.store(checkpointer_.sst_bytes_written(), std::memory_order_relaxed);
    tell(CheckpointNews::Kind::flushed,
         failure_ ? Result<std::uint64_t>(*failure_) : Result<std::uint64_t>(0));
}

void CheckpointThread::tell(CheckpointNews::Kind kind, Result<std::uint64_t> result,
                            const Rewritten& rewritten) {
    note_work();
    const bool told =
        news_.producer.try_push(CheckpointNews{.kind = kind,
                                               .flushed_through = checkpointer_.applied(),
                                               .result = std::move(result),
                                               .took = std::exchange(worked_, {}),
                                               .reclaim_due = reclaimer_.due(),
                                               .rewritten = rewritten});
    // Closed: the store is being destroyed and listens no more.
    CASC_ASSERT(told || news_.producer.state() == ring::RingState::closed, static_cast<int>(kind));
}

}  // namespace casc::storage
