// The waker on one thread: what it costs to be awake, what it does to a sleeper.
// tests/unit/gpu/wake_explored_test.cpp has the proof that no wake-up is lost.

#include <casc/ring/ring.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <poll.h>
#include <utility>

namespace casc::ring {
namespace {

bool readable(const Waker& waker) {
    pollfd descriptor{waker.fd(), POLLIN, 0};
    return ::poll(&descriptor, 1, 0) == 1;
}

TEST_CASE("gpu/waker: signals to a reader that is awake do not touch the descriptor") {
    Waker waker;
    waker.signal();
    waker.wake();
    CHECK_FALSE(readable(waker));
}

TEST_CASE("gpu/waker: a push while the reader is about to sleep makes the descriptor readable") {
    const auto waker = std::make_shared<Waker>();
    auto [tx, rx] = make_ring<int>(4, waker);
    waker->arm();
    CHECK_FALSE(rx.ready());
    CHECK_FALSE(readable(*waker));
    REQUIRE(tx.try_push(1));
    CHECK(readable(*waker));
    waker->disarm();
    CHECK_FALSE(readable(*waker));
    CHECK(rx.try_pop() == 1);
}

TEST_CASE("gpu/waker: closing a ring wakes its reader") {
    const auto waker = std::make_shared<Waker>();
    auto ring = make_ring<int>(4, waker);
    waker->arm();
    ring.producer.close();
    CHECK(readable(*waker));
    waker->disarm();
    CHECK(ring.consumer.state() == RingState::closed);
}

TEST_CASE(
    "gpu/waker: many writers share one waker, and the first that finds the reader asleep wakes "
    "it") {
    const auto waker = std::make_shared<Waker>();
    auto first = make_ring<int>(4, waker);
    auto second = make_ring<int>(4, waker);
    waker->arm();
    REQUIRE(second.producer.try_push(1));
    REQUIRE(first.producer.try_push(2));
    CHECK(readable(*waker));
    waker->disarm();
    CHECK_FALSE(readable(*waker));
}

TEST_CASE(
    "gpu/waker: wait returns at once when there are news, and clears the way for the next sleep") {
    const auto waker = std::make_shared<Waker>();
    auto [tx, rx] = make_ring<int>(4, waker);
    REQUIRE(tx.try_push(1));
    waker->wait([&rx = rx] { return rx.ready(); });
    CHECK(rx.try_pop() == 1);
    REQUIRE(tx.try_push(2));  // the reader is awake again: no signal
    CHECK_FALSE(readable(*waker));
}

// Found by the explorer: the reader disarmed between a writer's claim of the wake-up and its write
// to the descriptor, which then stayed readable through every later sleep.
TEST_CASE("gpu/waker: a signal that comes late shortens one sleep, not all that follow") {
    struct LateEvent {
        void signal() { ++on_its_way; }
        std::uint64_t consume() { return std::exchange(arrived, 0); }
        void wait(SleepLimit) {
            arrived += std::exchange(on_its_way, 0);
            if (arrived == 0) ++real_sleeps();
        }
        static int& real_sleeps() {
            static int count = 0;
            return count;
        }
        std::uint64_t on_its_way = 0;
        std::uint64_t arrived = 0;
    };
    struct LateSync : StdSync {
        using Event = LateEvent;
    };
    LateEvent::real_sleeps() = 0;
    BasicWaker<LateSync> waker;
    waker.arm();
    waker.wake();
    waker.disarm();  // the signal has not arrived yet
    waker.wait([] { return false; });
    CHECK(LateEvent::real_sleeps() == 0);
    waker.wait([] { return false; });
    waker.wait([] { return false; });
    CHECK(LateEvent::real_sleeps() == 2);
}

TEST_CASE("gpu/waker: a limited sleep ends without a signal") {
    Waker waker;
    waker.wait([] { return false; }, std::chrono::microseconds(1));
    CHECK_FALSE(readable(waker));
}

}  // namespace
}  // namespace casc::ring
