// What is known of batches that were never measured.

#include <casc/gpu/step_times.hpp>

#include <doctest/doctest.h>

using casc::gpu::StepTimes;
using namespace std::chrono_literals;

TEST_CASE("gpu/step_times: nothing is known before the first batch") {
    StepTimes times;
    CHECK_FALSE(times.known());
    CHECK(times.of(32) == 0ns);
    times.measured(0, 1ms);
    times.measured(4, 0ns);
    CHECK_FALSE(times.known());
}

TEST_CASE("gpu/step_times: what was not measured is taken from what is nearest, and from between") {
    StepTimes times;
    times.measured(8, 10ms);
    CHECK(times.of(1) == 10ms);
    CHECK(times.of(8) == 10ms);
    CHECK(times.of(4096) == 10ms);
    CHECK(times.of(100'000) == 10ms);
    times.measured(16, 20ms);
    CHECK(times.of(12) == 15ms);
    CHECK(times.of(64) == 20ms);
    CHECK(times.of(4) == 10ms);
}

TEST_CASE(
    "gpu/step_times: a device that gets slower is followed, and one slow step is not believed") {
    StepTimes times;
    for (int i = 0; i < 10; ++i)
        times.measured(4, 10ms);
    times.measured(4, 60ms);
    CHECK(times.of(4) == 20ms);
    for (int i = 0; i < 50; ++i)
        times.measured(4, 60ms);
    CHECK(times.of(4) > 59ms);
}
