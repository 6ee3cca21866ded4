#include "timer.hpp"

#include <doctest/doctest.h>

#include <optional>

using namespace casc::client;
using namespace std::chrono_literals;

TEST_CASE("client/timer: the next time is the earliest of those that are not over") {
    boost::asio::io_context context;
    Timers timers(context);
    const SteadyTime now = std::chrono::steady_clock::now();
    CHECK(timers.next_after(now) == SteadyTime::max());
    timers.note(now + 30ms);
    timers.note(now + 10ms);
    timers.note(now + 20ms);
    CHECK(timers.next_after(now) == now + 10ms);
    CHECK(timers.next_after(now) == now + 10ms);
    CHECK(timers.next_after(now + 10ms) == now + 20ms);
    CHECK(timers.next_after(now + 30ms) == SteadyTime::max());
}

TEST_CASE("client/timer: whoever sleeps is told of what is set meanwhile only") {
    boost::asio::io_context context;
    Timers timers(context);
    const SteadyTime now = std::chrono::steady_clock::now();
    Timer early(timers);
    Timer late(timers);
    early.set_at(now + 10ms, [](const auto&) {});
    CHECK(timers.earliest_noted() == now + 10ms);
    static_cast<void>(timers.next_after(now));
    CHECK(timers.earliest_noted() == SteadyTime::max());
    late.set_at(now + 20ms, [](const auto&) {});
    CHECK(timers.earliest_noted() == now + 20ms);
    CHECK(timers.next_after(now) == now + 10ms);
}

TEST_CASE("client/timer: set anew it calls what it was set for before with an error") {
    boost::asio::io_context context;
    Timers timers(context);
    std::optional<bool> first;
    std::optional<bool> second;
    {
        Timer timer(timers);
        timer.set_after(1h, [&](const auto& error) { first = !error; });
        timer.set_after(0ms, [&](const auto& error) { second = !error; });
        context.run();
        CHECK(first == false);
        CHECK(second == true);
        timer.set_after(1h, [&](const auto& error) { first = !error; });
        first.reset();
    }
    context.restart();
    context.run();
    CHECK(first == false);
}

TEST_CASE("client/timer: what is long over is forgotten, also when nobody asks for the next one") {
    boost::asio::io_context context;
    Timers timers(context);
    const SteadyTime now = std::chrono::steady_clock::now();
    timers.note(now + 1h);
    for (int i = 0; i < 1000; ++i)
        timers.note(now - 2s);
    CHECK(timers.size() <= 2);
    CHECK(timers.next_after(now) == now + 1h);
}
