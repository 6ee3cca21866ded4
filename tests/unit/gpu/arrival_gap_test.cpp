// When the next request is expected.

#include <casc/gpu/arrival_gap.hpp>

#include <doctest/doctest.h>

using namespace casc;
using casc::gpu::ArrivalGap;
using namespace std::chrono_literals;

TEST_CASE("gpu/arrival_gap: nothing is expected before two have come") {
    ArrivalGap gap;
    CHECK_FALSE(gap.expected(MonoNanos(5)));
    gap.arrived(MonoNanos(5));
    CHECK_FALSE(gap.expected(MonoNanos(6)));
    gap.arrived(MonoNanos(15));
    CHECK(gap.expected(MonoNanos(15)) == 10ns);
}

TEST_CASE("gpu/arrival_gap: the mean follows the load, and a silence counts while it lasts") {
    ArrivalGap gap;
    std::int64_t now = 0;
    for (int i = 0; i < 100; ++i)
        gap.arrived(MonoNanos(now += 1'000'000));
    CHECK(gap.expected(MonoNanos(now)) == 1ms);
    CHECK(gap.expected(MonoNanos(now + 5'000'000)) == 5ms);
    CHECK(gap.expected_from(5ms) == MonoNanos(now + 5'000'000));
    for (int i = 0; i < 100; ++i)
        gap.arrived(MonoNanos(now += 3'000'000));
    CHECK(gap.expected(MonoNanos(now)) > 2900us);
}

TEST_CASE("gpu/arrival_gap: a night without requests is forgotten after a few of them") {
    ArrivalGap gap;
    std::int64_t now = 0;
    for (int i = 0; i < 100; ++i)
        gap.arrived(MonoNanos(now += 1'000'000));
    now += 8 * 3600 * std::int64_t{1'000'000'000};
    for (int i = 0; i < 50; ++i)
        gap.arrived(MonoNanos(now += 1'000'000));
    CHECK(gap.expected(MonoNanos(now)) < 2ms);
}

TEST_CASE("gpu/arrival_gap: clocks of several threads may be out of order") {
    ArrivalGap gap;
    gap.arrived(MonoNanos(1000));
    gap.arrived(MonoNanos(900));
    CHECK(gap.expected(MonoNanos(1000)) == 0ns);
    gap.arrived(MonoNanos(1010));
    CHECK(gap.expected(MonoNanos(1010)) == 1ns);  // a tenth of ten
}
