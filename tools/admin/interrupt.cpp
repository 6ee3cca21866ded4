#include "interrupt.hpp"

#include <atomic>
#include <csignal>

namespace casc::admin {

namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "it is set in a signal handler");

void on_signal(int) {
    flag.store(true, std::memory_order_relaxed);
}

}  // namespace

void watch_for_interrupt() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    // SA_RESETHAND: the second signal has its usual effect. No SA_RESTART: a read of stdin ends.
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept {
    return flag.load(std::memory_order_relaxed);
}

}  // namespace casc::admin
