#pragma once
// client/src/spin_flag.hpp: keeps two threads from touching the same draft for the few nanoseconds
// that adding an event or taking the draft away lasts. Nothing is encoded, sent or waited for while
// it is held.

#include <atomic>
#include <thread>

namespace casc::client {

// Thread: any.
class SpinFlag {
public:
    [[nodiscard]] bool try_lock() noexcept {
        // acquire: pairs with unlock()'s release, so that the holder before us is seen.
        return !held_.exchange(true, std::memory_order_acquire);
    }
    void lock() noexcept {
        for (unsigned spins = 0; !try_lock(); ++spins) {
            // The holder was preempted if it takes this long: let it run.
            if (spins % 64 == 63) std::this_thread::yield();
            __builtin_ia32_pause();
        }
    }
    void unlock() noexcept { held_.store(false, std::memory_order_release); }

private:
    std::atomic<bool> held_{false};
};

}  // namespace casc::client
