#pragma once
// signals.hpp: signals as something to wait for, together with a wake-up from other threads.

#include <cstdint>

namespace casc::broker {

// What the main thread sleeps for.
enum class Wakeup : std::uint8_t { stop_signal, reload_signal, notified };

// Blocks SIGTERM, SIGINT and SIGHUP for this thread and all that it starts, and ignores SIGPIPE for
// the process: a peer that hangs up is a failed send.
//
// Thread: constructed and waited on by main before it starts others; notify() by any.
class SignalWaiter {
public:
    SignalWaiter();
    ~SignalWaiter();
    SignalWaiter(const SignalWaiter&) = delete;
    SignalWaiter& operator=(const SignalWaiter&) = delete;

    // The next thing that happens. Signals come before notifications.
    [[nodiscard]] Wakeup wait();
    void notify();

private:
    int signal_fd_ = -1;
    int event_fd_ = -1;
};

}  // namespace casc::broker
