// When connections are looked at.

#include "idle_timeouts.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::broker;

TEST_CASE(
    "broker/idle_timeouts: connections come up when their time has come, the earliest first") {
    IdleTimeouts timeouts;
    timeouts.look_at(1, MonoNanos(300));
    timeouts.look_at(2, MonoNanos(100));
    timeouts.look_at(3, MonoNanos(200));
    CHECK_FALSE(timeouts.next_due(MonoNanos(99)));
    CHECK(timeouts.next_due(MonoNanos(200)) == 2);
    CHECK(timeouts.next_due(MonoNanos(200)) == 3);
    CHECK_FALSE(timeouts.next_due(MonoNanos(200)));
    timeouts.look_at(2, MonoNanos(400));
    CHECK(timeouts.next_due(MonoNanos(1000)) == 1);
    CHECK(timeouts.next_due(MonoNanos(1000)) == 2);
    CHECK_FALSE(timeouts.next_due(MonoNanos(1000)));
}
