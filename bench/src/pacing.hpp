#pragma once
// An open loop's clock: lets a sender go on when an event is due, neither before nor, as far as the
// machine allows, behind.

#include <chrono>

namespace casc::bench {

// Thread: the one that made it, whose timers are precise from then on.
class Pacing {
public:
    using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, the same for all threads

    // Measures for a moment how late this machine's timers are.
    Pacing();

    // Sleeps until shortly before `due`, then computes, as a program does that has something else
    // to do.
    void wait_until(Clock::time_point due) const;

private:
    std::chrono::nanoseconds early_;
};

}  // namespace casc::bench
