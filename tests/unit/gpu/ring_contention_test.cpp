// Two threads on one ring: nothing is lost, doubled, reordered or torn. Meant to be run under the
// thread sanitizer too.

#include <casc/ring/ring.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace casc::ring {
namespace {

constexpr std::uint64_t kItemCount = 200'000;

// Wider than a cache line, so that a torn read would show.
template <std::size_t kWords>
struct WideItem {
    explicit WideItem(std::uint64_t number = 0) {
        for (std::size_t i = 0; i < words.size(); ++i)
            words[i] = number * 0x9E3779B97F4A7C15ull + i;
    }
    [[nodiscard]] bool is(std::uint64_t number) const { return words == WideItem(number).words; }
    std::array<std::uint64_t, kWords> words;
};
using Item = WideItem<12>;
using LineItem = WideItem<16>;  // whole lines: large batches of them go past the cache
static_assert(!detail::kStreamable<Item>);
#if defined(__x86_64__)
static_assert(detail::kStreamable<LineItem>);
#endif

// A reader that sleeps whenever the ring is empty; counts what is wrong.
template <class T>
std::uint64_t read_all(RingConsumer<T>& rx, Waker& waker, std::uint64_t& wrong) {
    std::uint64_t next = 0;
    while (rx.state() != RingState::closed) {
        const auto check = [&](T&& item) { wrong += item.is(next++) ? 0 : 1; };
        // Different budgets, so that runs end at different places.
        if (rx.drain(check, next % 7 + 1) == 0) waker.wait([&] { return rx.ready(); });
    }
    return next;
}

TEST_CASE("gpu/ring: two threads see every item once, whole and in order") {
    for (const std::size_t capacity : {1, 2, 8, 1024}) {
        CAPTURE(capacity);
        const auto waker = std::make_shared<Waker>();
        auto [tx, rx] = make_ring<Item>(capacity, waker);
        std::uint64_t wrong = 0;
        std::uint64_t read = 0;
        std::thread reader([&, &rx = rx] { read = read_all(rx, *waker, wrong); });
        for (std::uint64_t i = 0; i < kItemCount / (capacity < 8 ? 10 : 1);) {
            if (tx.try_emplace(i)) {
                ++i;
            } else {
                std::this_thread::yield();
            }
        }
        tx.close();
        reader.join();
        CHECK(read == kItemCount / (capacity < 8 ? 10 : 1));
        CHECK(wrong == 0);
    }
}

TEST_CASE_TEMPLATE("gpu/ring: batches of all sizes arrive whole and in order", T, Item, LineItem) {
    const auto waker = std::make_shared<Waker>();
    auto [tx, rx] = make_ring<T>(64, waker);
    std::uint64_t wrong = 0;
    std::uint64_t read = 0;
    std::thread reader([&, &rx = rx] { read = read_all(rx, *waker, wrong); });
    std::uint64_t sent = 0;
    while (sent < kItemCount) {
        std::vector<T> batch;
        for (std::uint64_t i = 0; i < sent % 90 + 1; ++i)
            batch.emplace_back(sent + i);
        for (std::size_t done = 0; done < batch.size();) {
            const std::size_t pushed = tx.try_push_many(std::span(batch).subspan(done));
            if (pushed == 0) std::this_thread::yield();
            done += pushed;
        }
        sent += batch.size();
    }
    tx.close();
    reader.join();
    CHECK(read == sent);
    CHECK(wrong == 0);
}

TEST_CASE("gpu/ring: one sleeping reader serves several writers with one waker") {
    constexpr std::size_t kWriters = 3;
    constexpr std::uint64_t kEach = 20'000;
    const auto waker = std::make_shared<Waker>();
    std::vector<RingConsumer<std::uint64_t>> rings;
    std::vector<std::thread> writers;
    for (std::size_t w = 0; w < kWriters; ++w) {
        auto ring = make_ring<std::uint64_t>(16, waker);
        rings.push_back(std::move(ring.consumer));
        writers.emplace_back([tx = std::move(ring.producer)]() mutable {
            for (std::uint64_t i = 0; i < kEach;) {
                if (tx.try_push(i)) {
                    ++i;
                } else {
                    std::this_thread::yield();
                }
            }
        });
    }
    std::array<std::uint64_t, kWriters> next{};
    std::uint64_t wrong = 0;
    const auto all_closed = [&] {
        return std::ranges::all_of(rings, [](auto& rx) { return rx.state() == RingState::closed; });
    };
    // A closed ring stays "ready"; a reader takes it out of what it sleeps on, as here.
    const auto any_ready = [&] {
        return all_closed() || std::ranges::any_of(rings, [](auto& rx) {
                   return rx.state() == RingState::draining || rx.peek() != nullptr;
               });
    };
    while (!all_closed()) {
        std::size_t taken = 0;
        for (std::size_t w = 0; w < kWriters; ++w) {
            taken += rings[w].drain(
                [&](std::uint64_t&& item) { wrong += item == next[w]++ ? 0 : 1; }, 4);
        }
        if (taken == 0) waker->wait(any_ready);
    }
    for (auto& writer : writers)
        writer.join();
    for (const std::uint64_t count : next)
        CHECK(count == kEach);
    CHECK(wrong == 0);
}

TEST_CASE("gpu/ring: what a consumer leaves behind is destroyed while the producer still pushes") {
    auto [tx, rx] = make_ring<std::unique_ptr<int>>(8);
    std::thread reader([rx = std::move(rx)]() mutable {
        for (int taken = 0; taken < 100;) {
            if (auto item = rx.try_pop()) {
                taken += **item == taken ? 1 : 1000;
            } else {
                std::this_thread::yield();
            }
        }
    });
    for (int i = 0; tx.state() != RingState::closed;) {
        if (tx.try_push(std::make_unique<int>(i))) {
            ++i;
        } else {
            std::this_thread::yield();
        }
    }
    reader.join();
    CHECK(tx.state() == RingState::closed);
}

}  // namespace
}  // namespace casc::ring
