#include "pacing.hpp"

#include "histogram.hpp"

#include <algorithm>
#include <sys/prctl.h>
#include <thread>
#include <time.h>

namespace casc::bench {
namespace {

using std::chrono::nanoseconds;

// How much earlier than needed the sender has to wake up to be on time: a timer is late by the
// wake-up of an idle processor, on virtual machines 5 to 70 us. No longer than that, because what
// the sender waits awake the others do not have.
nanoseconds find_lateness_of_timers() {
    constexpr int sleeps = 500;
    constexpr nanoseconds gap = std::chrono::microseconds(100);
    constexpr nanoseconds least = std::chrono::microseconds(10);
    constexpr nanoseconds most = std::chrono::microseconds(60);
    Histogram late_ns;
    for (int i = 0; i < sleeps; ++i) {
        const auto due = Pacing::Clock::now() + gap;
        std::this_thread::sleep_until(due);
        late_ns.record(static_cast<std::uint64_t>((Pacing::Clock::now() - due).count()));
    }
    return std::clamp(nanoseconds(static_cast<std::int64_t>(late_ns.percentile(99))) * 3 / 2, least,
                      most);
}

nanoseconds processor_time_of_this_thread() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

}  // namespace

Pacing::Pacing(Awake awake) : awake_(awake) {
    // The default lets the kernel be 50 us late, which is half of the gap at 10 000 events/s.
    ::prctl(PR_SET_TIMERSLACK, 1);
    early_ = find_lateness_of_timers();
}

void Pacing::wait_until(Clock::time_point due) {
    if (Clock::now() < due - early_) std::this_thread::sleep_until(due - early_);
    const bool counts = awake_ == Awake::counted && Clock::now() < due;
    if (counts) time_awake_ -= processor_time_of_this_thread();
    while (Clock::now() < due) {
    }
    if (counts) time_awake_ += processor_time_of_this_thread();
}

}  // namespace casc::bench
