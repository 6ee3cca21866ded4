#pragma once
// client/src/in_flight_bound.hpp: how many bytes a producer has accepted and not yet settled, and
// who waits for room.

#include <casc/types/units.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace casc::client {

// Thread: try_take() one at a time (under the accumulator's flag); the rest any.
class InFlightBound {
public:
    explicit InFlightBound(std::size_t limit) : limit_(limit) {}

    // Takes `bytes` if they fit; an event larger than the whole bound fits when nothing else is
    // there.
    [[nodiscard]] bool try_take(std::size_t bytes) noexcept {
        const std::size_t taken = taken_.load(std::memory_order_seq_cst);
        if (taken != 0 && taken + bytes > limit_) return false;
        taken_.fetch_add(bytes, std::memory_order_relaxed);
        return true;
    }

    // For the part of a reservation that was not needed. Wakes nobody (it is called under the
    // accumulator's flag): what it was reserved for is still to be settled, and that will.
    void give_back_quietly(std::size_t bytes) noexcept {
        taken_.fetch_sub(bytes, std::memory_order_seq_cst);
    }

    void give_back(std::size_t bytes) {
        // seq_cst, like the waiters' order of "say that I wait, then look": one of the two sees the
        // other.
        const std::size_t left = taken_.fetch_sub(bytes, std::memory_order_seq_cst) - bytes;
        if (waiting_.load(std::memory_order_seq_cst) == 0) return;
        // Not for every batch: a sender that is woken should find room for more than one.
        if (left <= limit_ - limit_ / 4) wake_all();
    }

    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
    [[nodiscard]] std::size_t taken() const noexcept {
        return taken_.load(std::memory_order_relaxed);
    }

    // Calls `attempt` until it returns true or `until` is over; sleeps in between for room. True:
    // it did.
    template <class Attempt>
    bool wait(std::chrono::steady_clock::time_point until, Attempt&& attempt) {
        const Waiting waiting{*this};
        for (;;) {
            const std::uint64_t seen = wakes();
            if (attempt()) return true;
            std::unique_lock lock(mutex_);
            if (!changed_.wait_until(lock, until, [&] { return wakes_ != seen; })) return false;
        }
    }

    // Runs `done` when room comes free.
    void call(std::function<void()> done) {
        const std::lock_guard lock(mutex_);
        callbacks_.push_back(std::move(done));
        waiting_.fetch_add(1, std::memory_order_seq_cst);
    }

    void wake_all() {
        std::vector<std::function<void()>> callbacks;
        {
            const std::lock_guard lock(mutex_);
            ++wakes_;
            callbacks.swap(callbacks_);
            waiting_.fetch_sub(static_cast<unsigned>(callbacks.size()), std::memory_order_seq_cst);
        }
        changed_.notify_all();
        for (const auto& callback : callbacks)
            callback();
    }

private:
    struct Waiting {
        InFlightBound& bound;
        explicit Waiting(InFlightBound& b) : bound(b) {
            bound.waiting_.fetch_add(1, std::memory_order_seq_cst);
        }
        ~Waiting() { bound.waiting_.fetch_sub(1, std::memory_order_seq_cst); }
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;
    };

    [[nodiscard]] std::uint64_t wakes() {
        const std::lock_guard lock(mutex_);
        return wakes_;
    }

    const std::size_t limit_;
    // Written by the adding thread and the I/O thread.
    alignas(kCacheLineBytes) std::atomic<std::size_t> taken_{0};
    alignas(kCacheLineBytes) std::atomic<unsigned> waiting_{0};
    std::mutex mutex_;  // cold: held to count a wake-up, never with anything else
    std::condition_variable changed_;
    std::uint64_t wakes_ = 0;
    std::vector<std::function<void()>> callbacks_;
};

}  // namespace casc::client
