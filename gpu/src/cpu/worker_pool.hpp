#pragma once
// cpu/worker_pool.hpp: threads that share out the items of a piece of work, many thousands of times
// a second.
//
//   pool.run(panel_count, [&](std::size_t panel, std::size_t worker) { … });
//
// A step of a model is some hundred such pieces, of 10 us to 1 ms each and one behind the other, so
// workers look for the next one for a while before they sleep, and nothing is allocated.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace casc::gpu::cpu {

// Thread: run() on one at a time, which works, too. Waits for whoever works when it is destroyed.
class WorkerPool {
public:
    // So many threads work, the calling one among them. At least 1.
    // Throws std::system_error or std::bad_alloc, when one of them cannot be started; none is left.
    explicit WorkerPool(std::size_t threads);
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    [[nodiscard]] std::size_t size() const noexcept { return threads_.size() + 1; }

    // Calls work(item, worker) once for each item below `count`, in no order and on several threads
    // at once; `worker` is below size(), and no two threads have the same. Returns when all are
    // done; what they have written is seen then. Work must not throw: that ends the process, since
    // others are still at work on what the caller has.
    template <class Work>
    void run(std::size_t count, const Work& work) noexcept {
        if (count <= 1 || threads_.empty()) {
            for (std::size_t item = 0; item < count; ++item)
                work(item, std::size_t{0});
            return;
        }
        share_out(count, {&work, [](const void* context, std::size_t item, std::size_t worker) {
                              (*static_cast<const Work*>(context))(item, worker);
                          }});
    }

    // Threads that sleep, or will unless there is something to do. For tests.
    [[nodiscard]] std::size_t sleepers() const noexcept {
        return sleepers_.load(std::memory_order_seq_cst);
    }

private:
    struct Call {
        const void* context = nullptr;
        void (*function)(const void*, std::size_t, std::size_t) = nullptr;
    };

    void stop() noexcept;
    void share_out(std::size_t count, Call call) noexcept;
    // Works on what is there until nothing is left.
    void take_items(std::size_t worker) noexcept;
    void serve(std::size_t worker) noexcept;
    [[nodiscard]] bool has_news() const noexcept;
    void wait_for_news() noexcept;

    // Written by run() before it raises tickets_, and read by those who hold an item: they hold
    // run() in its place.
    Call call_;
    std::uint32_t count_ = 0;
    // The number of the piece of work above, and below how many items of it nobody has taken yet.
    // Raised by run(), lowered by whoever takes an item: who comes late finds none left, or those
    // of the next piece, and never one of a piece that has ended.
    alignas(64) std::atomic<std::uint64_t> tickets_{0};
    alignas(64) std::atomic<std::uint32_t> done_{0};  // items
    alignas(64) std::atomic<std::uint32_t> sleepers_{0};
    std::atomic<std::uint32_t> bell_{0};  // changes when sleepers are to look
    std::atomic<bool> is_over_{false};
    std::vector<std::thread> threads_;  // last: they use the others
};

}  // namespace casc::gpu::cpu
