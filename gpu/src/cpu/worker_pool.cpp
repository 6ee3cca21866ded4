#include "cpu/worker_pool.hpp"

#include <casc/types/assert.hpp>

#include <limits>

namespace casc::gpu::cpu {
namespace {

// 30 to 50 us: longer than the parts of a step that one thread does alone, and not so long that an
// idle model would be noticed.
constexpr int kLooksBeforeSleep = 1000;
constexpr std::uint64_t kItemMask = std::numeric_limits<std::uint32_t>::max();

void take_a_breath() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace

WorkerPool::WorkerPool(std::size_t threads) {
    CASC_ASSERT(threads >= 1);
    try {
        for (std::size_t worker = 1; worker < threads; ++worker)
            threads_.emplace_back([this, worker] { serve(worker); });
    } catch (...) {
        stop();  // there is no destructor for half a pool
        throw;
    }
}

WorkerPool::~WorkerPool() {
    stop();
}

void WorkerPool::stop() noexcept {
    is_over_.store(true, std::memory_order_seq_cst);  // pairs with has_news()
    bell_.fetch_add(1, std::memory_order_seq_cst);
    bell_.notify_all();
    for (std::thread& thread : threads_)
        thread.join();
}

void WorkerPool::share_out(std::size_t count, Call call) noexcept {
    CASC_ASSERT(count <= kItemMask, count);
    call_ = call;
    count_ = static_cast<std::uint32_t>(count);
    done_.store(0, std::memory_order_relaxed);
    const std::uint64_t piece = (tickets_.load(std::memory_order_relaxed) >> 32) + 1;
    // Seq_cst, like the load of sleepers_: either we see who went to sleep, or they see this. Pairs
    // with take_items(), too, for call_ and count_.
    tickets_.store(piece << 32 | count, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) != 0) {
        bell_.fetch_add(1, std::memory_order_seq_cst);
        bell_.notify_all();
    }
    take_items(0);
    // Acquire pairs with the release in take_items(): what they wrote, and that they are through
    // with call_. Who has an item is at work on it, unless somebody else has its processor.
    for (int looks = 0; done_.load(std::memory_order_acquire) != count_; ++looks) {
        if (looks < kLooksBeforeSleep) {
            take_a_breath();
        } else {
            std::this_thread::yield();
        }
    }
}

void WorkerPool::take_items(std::size_t worker) noexcept {
    std::uint32_t done = 0;
    std::uint64_t tickets = tickets_.load(std::memory_order_acquire);
    while ((tickets & kItemMask) != 0) {
        if (!tickets_.compare_exchange_weak(tickets, tickets - 1, std::memory_order_acquire,
                                            std::memory_order_acquire))
            continue;
        const auto left = static_cast<std::uint32_t>(tickets & kItemMask);
        call_.function(call_.context, count_ - left, worker);
        ++done;
        // With items of this piece unreported nobody can have begun another one.
        tickets = tickets_.load(std::memory_order_acquire);
    }
    // Nothing is reported before nothing is left, and so once.
    if (done != 0) done_.fetch_add(done, std::memory_order_release);
}

bool WorkerPool::has_news() const noexcept {
    return (tickets_.load(std::memory_order_seq_cst) & kItemMask) != 0 ||
           is_over_.load(std::memory_order_seq_cst);
}

void WorkerPool::wait_for_news() noexcept {
    for (int looks = 0; looks < kLooksBeforeSleep; ++looks) {
        if (has_news()) return;
        take_a_breath();
    }
    const std::uint32_t bell = bell_.load(std::memory_order_seq_cst);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);  // pairs with share_out()
    if (!has_news()) bell_.wait(bell, std::memory_order_seq_cst);
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

void WorkerPool::serve(std::size_t worker) noexcept {
    while (!is_over_.load(std::memory_order_acquire)) {
        take_items(worker);
        wait_for_news();
    }
}

}  // namespace casc::gpu::cpu
