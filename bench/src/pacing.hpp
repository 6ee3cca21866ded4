#pragma once
// An open loop's clock: lets a sender go on when an event is due, neither before nor, as far as the
// machine allows, behind.

#include <chrono>
#include <cstdint>

namespace casc::bench {

// Whether the processor time of waiting awake is counted, which takes two system calls a wait.
enum class Awake : std::uint8_t { uncounted, counted };

// Thread: the one that made it, whose timers are precise from then on.
class Pacing {
public:
    using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, the same for all threads

    // Measures for a moment how late this machine's timers are.
    explicit Pacing(Awake awake = Awake::uncounted);

    // Sleeps until shortly before `due`, then computes, as a program does that has something else
    // to do.
    void wait_until(Clock::time_point due);

    // The processor time of that computing over all waits so far; 0 when it is not counted.
    [[nodiscard]] std::chrono::nanoseconds time_awake() const { return time_awake_; }

private:
    const Awake awake_;
    std::chrono::nanoseconds early_{};
    std::chrono::nanoseconds time_awake_{};
};

}  // namespace casc::bench
