// Bookkeeping of a ring, on one thread: what fits, what comes out, who is destroyed when, and how
// it closes.

#include "counted.hpp"

#include <casc/ring/ring.hpp>

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace casc::ring {
namespace {

using testing::Counted;

static_assert(!std::is_copy_constructible_v<RingProducer<int>> &&
              !std::is_copy_assignable_v<RingProducer<int>>);
static_assert(!std::is_copy_constructible_v<RingConsumer<int>> &&
              !std::is_copy_assignable_v<RingConsumer<int>>);
static_assert(std::is_nothrow_move_constructible_v<RingProducer<int>>);

TEST_CASE("gpu/ring: items come out in the order they went in, over many laps") {
    auto [tx, rx] = make_ring<int>(4);
    int next_in = 0;
    int next_out = 0;
    // 1, 2, 3, 4 at a time: every alignment of a run against the end of the slots.
    for (int lap = 0; lap < 100; ++lap) {
        const int run = lap % 4 + 1;
        for (int i = 0; i < run; ++i)
            REQUIRE(tx.try_push(next_in++));
        for (int i = 0; i < run; ++i)
            REQUIRE(rx.try_pop() == next_out++);
        REQUIRE(rx.try_pop() == std::nullopt);
    }
}

TEST_CASE("gpu/ring: the capacity is rounded up to a power of two and all of it can be used") {
    for (const auto& [wanted, got] : std::vector<std::pair<std::size_t, std::size_t>>{
             {0, 1}, {1, 1}, {2, 2}, {3, 4}, {64, 64}, {65, 128}}) {
        auto [tx, rx] = make_ring<int>(wanted);
        CHECK(tx.capacity() == got);
        CHECK(rx.capacity() == got);
        for (std::size_t i = 0; i < got; ++i)
            CHECK(tx.try_push(7));
        CHECK_FALSE(tx.try_push(7));
        CHECK(tx.room() == 0);
    }
}

TEST_CASE("gpu/ring: a push that is refused leaves the item with its owner") {
    auto [tx, rx] = make_ring<std::unique_ptr<int>>(1);
    REQUIRE(tx.try_push(std::make_unique<int>(1)));
    auto second = std::make_unique<int>(2);
    CHECK_FALSE(tx.try_push(std::move(second)));
    REQUIRE(second != nullptr);
    CHECK(**rx.try_pop() == 1);
    CHECK(tx.try_push(std::move(second)));
    CHECK(**rx.try_pop() == 2);
}

TEST_CASE("gpu/ring: staged items are invisible until they are published") {
    auto [tx, rx] = make_ring<int>(4);
    REQUIRE(tx.try_stage(1));
    REQUIRE(tx.try_stage(2));
    CHECK(tx.room() == 2);
    CHECK_FALSE(rx.ready());
    CHECK_FALSE(rx.try_pop());
    tx.publish();
    CHECK(rx.ready());
    CHECK(rx.try_pop() == 1);
    CHECK(rx.try_pop() == 2);
}

TEST_CASE("gpu/ring: a constructor that throws while staging leaves the ring as it was") {
    struct Picky {
        explicit Picky(int v) : value(v) {
            if (v < 0) throw std::invalid_argument("negative");
        }
        int value;
    };
    auto [tx, rx] = make_ring<Picky>(2);
    REQUIRE(tx.try_emplace(1));
    CHECK_THROWS_AS(static_cast<void>(tx.try_emplace(-1)), std::invalid_argument);
    REQUIRE(tx.try_emplace(2));
    CHECK(rx.try_pop()->value == 1);
    CHECK(rx.try_pop()->value == 2);
    CHECK_FALSE(rx.try_pop());
}

TEST_CASE("gpu/ring: a batch goes in as far as there is room and comes out in pieces") {
    auto [tx, rx] = make_ring<int>(8);
    std::vector<int> items(12);
    std::iota(items.begin(), items.end(), 0);
    CHECK(tx.try_push_many(items) == 8);
    CHECK(tx.try_push_many(std::span(items).subspan(8)) == 0);
    std::array<int, 5> out{};
    CHECK(rx.pop_many(out) == 5);
    CHECK(out == std::array{0, 1, 2, 3, 4});
    CHECK(tx.try_push_many(std::span(items).subspan(8)) == 4);
    CHECK(rx.pop_many(out) == 5);
    CHECK(out == std::array{5, 6, 7, 8, 9});
    CHECK(rx.pop_many(out) == 2);
    CHECK(out[0] == 10);
    CHECK(out[1] == 11);
    CHECK(rx.pop_many(out) == 0);
}

TEST_CASE("gpu/ring: drain stops at its budget") {
    auto [tx, rx] = make_ring<int>(8);
    for (int i = 0; i < 6; ++i)
        REQUIRE(tx.try_push(i));
    std::vector<int> seen;
    const auto see = [&](int&& item) { seen.push_back(item); };
    CHECK(rx.drain(see, 4) == 4);
    CHECK(rx.drain(see) == 2);
    CHECK(seen == std::vector{0, 1, 2, 3, 4, 5});
}

TEST_CASE("gpu/ring: an item whose use throws is gone, those behind it are not") {
    auto [tx, rx] = make_ring<int>(4);
    for (int i = 0; i < 3; ++i)
        REQUIRE(tx.try_push(i));
    CHECK_THROWS(rx.drain([](int&& item) {
        if (item == 1) throw std::runtime_error("cannot");
    }));
    CHECK(rx.try_pop() == 2);
    CHECK(tx.room() == 4);
}

TEST_CASE("gpu/ring: peek shows the item that the next pop takes") {
    auto [tx, rx] = make_ring<int>(2);
    CHECK(rx.peek() == nullptr);
    REQUIRE(tx.try_push(5));
    CHECK(*rx.peek() == 5);
    CHECK(rx.try_pop() == 5);
    CHECK(rx.peek() == nullptr);
}

TEST_CASE("gpu/ring: every item is destroyed exactly once") {
    int alive = 0;
    SUBCASE("popped one by one") {
        auto [tx, rx] = make_ring<Counted>(4);
        REQUIRE(tx.try_emplace(&alive, 1));
        REQUIRE(tx.try_emplace(&alive, 2));
        CHECK(alive == 2);
        CHECK(rx.try_pop()->value() == 1);
        CHECK(alive == 1);
        Counted out(&alive);
        CHECK(rx.try_pop(out));
        CHECK(out.value() == 2);
        CHECK(alive == 1);
    }
    SUBCASE("drained") {
        auto [tx, rx] = make_ring<Counted>(4);
        for (int i = 0; i < 4; ++i)
            REQUIRE(tx.try_emplace(&alive, i));
        CHECK(rx.drain([](Counted&&) {}, 3) == 3);
        CHECK(alive == 1);
    }
    SUBCASE("left in the ring when both ends go") {
        auto ring = make_ring<Counted>(4);
        REQUIRE(ring.producer.try_emplace(&alive, 1));
        REQUIRE(ring.producer.try_stage(&alive, 2));
        CHECK(alive == 2);
    }
    SUBCASE("left in the ring when the consumer goes first") {
        auto [tx, rx] = make_ring<Counted>(4);
        REQUIRE(tx.try_emplace(&alive, 1));
        { const auto gone = std::move(rx); }
        REQUIRE(tx.try_emplace(&alive, 2));
        CHECK(alive == 2);
    }
    SUBCASE("left in the ring when the producer goes first") {
        auto [tx, rx] = make_ring<Counted>(4);
        REQUIRE(tx.try_emplace(&alive, 1));
        { const auto gone = std::move(tx); }
        CHECK(alive == 1);
    }
    CHECK(alive == 0);
}

TEST_CASE("gpu/ring: after the producer closes the consumer gets the rest and then sees closed") {
    auto [tx, rx] = make_ring<int>(4);
    CHECK(tx.state() == RingState::open);
    CHECK(rx.state() == RingState::open);
    REQUIRE(tx.try_push(1));
    REQUIRE(tx.try_stage(2));
    tx.close();
    tx.close();
    CHECK_FALSE(tx.try_push(3));
    CHECK(tx.room() == 0);
    CHECK(tx.state() == RingState::draining);
    CHECK(rx.state() == RingState::draining);
    CHECK(rx.ready());
    CHECK(rx.try_pop() == 1);
    CHECK(rx.try_pop() == 2);
    CHECK_FALSE(rx.try_pop());
    CHECK(rx.state() == RingState::closed);
    CHECK(tx.state() == RingState::closed);
    CHECK(rx.ready());  // closing is news: a reader must not go to sleep on it
}

TEST_CASE("gpu/ring: destroying or replacing the producer closes its ring") {
    auto [tx, rx] = make_ring<int>(4);
    auto [other_tx, other_rx] = make_ring<int>(4);
    REQUIRE(tx.try_push(1));
    tx = std::move(other_tx);
    CHECK(rx.state() == RingState::draining);
    CHECK(rx.try_pop() == 1);
    CHECK(rx.state() == RingState::closed);
    CHECK(other_rx.state() == RingState::open);
    REQUIRE(tx.try_push(2));
    CHECK(other_rx.try_pop() == 2);
    { const auto gone = std::move(tx); }
    CHECK(other_rx.state() == RingState::closed);
}

TEST_CASE(
    "gpu/ring: a producer learns that the consumer has gone, at the latest when the ring is full") {
    auto [tx, rx] = make_ring<int>(2);
    REQUIRE(tx.try_push(1));
    rx.abandon();
    CHECK(rx.state() == RingState::closed);
    CHECK_FALSE(rx.try_pop());
    CHECK(tx.state() == RingState::closed);
    CHECK(tx.try_push(2));  // still fits
    CHECK_FALSE(tx.try_push(3));
    tx.close();
    CHECK(tx.state() == RingState::closed);
}

TEST_CASE("gpu/ring: an over-aligned item lies on its alignment") {
    struct alignas(256) Wide {
        int value;
    };
    auto [tx, rx] = make_ring<Wide>(2);
    for (int i = 0; i < 5; ++i) {
        REQUIRE(tx.try_push(Wide{i}));
        CHECK(reinterpret_cast<std::uintptr_t>(rx.peek()) % 256 == 0);
        CHECK(rx.try_pop()->value == i);
    }
}

}  // namespace
}  // namespace casc::ring
