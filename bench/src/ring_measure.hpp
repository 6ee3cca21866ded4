#pragma once
// One sample of a queue between two pinned threads. ring_contestants.hpp has the queues.

#include "host.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

namespace casc::bench {

enum class RingPattern : std::uint8_t { batched, single, round_trip };

struct RingSample {
    double seconds = 0;
    bool intact = false;  // everything arrived, in order
};

namespace detail {

// Lets two threads begin together.
class Start {
public:
    void arrive_and_wait() {
        waiting_.fetch_add(1, std::memory_order_acq_rel);
        while (waiting_.load(std::memory_order_acquire) < 2) {
        }
    }

private:
    std::atomic<int> waiting_{0};
};

// Runs `near` here on processor 0 and `far` on processor 1; the time is from the common start to
// the end of both.
template <class Near, class Far>
double time_both(Near&& near, Far&& far) {
    Start start;
    // The new thread inherits its place. Were it born on ours, it would have to wait for us to stop
    // spinning.
    pin_this_thread(1 % cpu_count());
    std::thread other([&] {
        start.arrive_and_wait();
        far();
    });
    pin_this_thread(0);
    start.arrive_and_wait();
    const auto began = std::chrono::steady_clock::now();
    near();
    other.join();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

template <class Item>
void number(Item& item, std::uint64_t number) {
    item.words.front() = number;
    item.words.back() = number;
}

template <class Item>
Item numbered(std::uint64_t number) {
    Item item;
    detail::number(item, number);
    return item;
}

}  // namespace detail

// `item_count` items through `queue`, pushed and used `batch_count` at a time.
template <class Item, class Queue>
RingSample measure_batched(Queue& queue, std::uint64_t item_count, std::size_t batch_count) {
    std::uint64_t wrong = 0;
    const auto push = [&] {
        std::vector<Item> batch(batch_count);
        for (std::uint64_t sent = 0; sent < item_count;) {
            const std::size_t wanted =
                static_cast<std::size_t>(std::min<std::uint64_t>(batch_count, item_count - sent));
            // In place. An item made beside its place and copied there is read back before it has
            // left the store buffer, and the processor waits for every store in front of it, those
            // into the queue included: that measured 41 M/s for any queue of 64-byte items.
            for (std::size_t i = 0; i < wanted; ++i)
                detail::number(batch[i], sent + i);
            for (std::size_t done = 0; done < wanted;)
                done += queue.push_many(std::span(batch).subspan(done, wanted - done));
            sent += wanted;
        }
    };
    const auto pop = [&] {
        std::uint64_t next = 0;
        std::uint64_t bad = 0;
        const auto check = [&](const Item& item) {
            bad |= item.words.front() ^ next;
            bad |= item.words.back() ^ next;
            ++next;
        };
        while (next < item_count)
            queue.use_many(batch_count, check);
        wrong = bad;
    };
    const double seconds = detail::time_both(push, pop);
    return {seconds, wrong == 0};
}

// `item_count` items one by one, each visible as soon as it is pushed.
template <class Item, class Queue>
RingSample measure_single(Queue& queue, std::uint64_t item_count) {
    std::uint64_t wrong = 0;
    const auto push = [&] {
        for (std::uint64_t i = 0; i < item_count; ++i) {
            const Item item = detail::numbered<Item>(i);
            while (!queue.push(item)) {
            }
        }
    };
    const auto pop = [&] {
        std::uint64_t bad = 0;
        Item item;
        for (std::uint64_t i = 0; i < item_count; ++i) {
            while (!queue.pop(item)) {
            }
            bad |= (item.words.front() ^ i) | (item.words.back() ^ i);
        }
        wrong = bad;
    };
    const double seconds = detail::time_both(push, pop);
    return {seconds, wrong == 0};
}

// One item there and back, `item_count` times.
template <class Item, class Queue>
RingSample measure_round_trip(Queue& there, Queue& back, std::uint64_t item_count) {
    std::uint64_t wrong = 0;
    const auto ping = [&] {
        std::uint64_t bad = 0;
        Item item;
        for (std::uint64_t i = 0; i < item_count; ++i) {
            static_cast<void>(there.push(detail::numbered<Item>(i)));
            while (!back.pop(item)) {
            }
            bad |= (item.words.front() ^ i) | (item.words.back() ^ i);
        }
        wrong = bad;
    };
    const auto pong = [&] {
        Item item;
        for (std::uint64_t i = 0; i < item_count; ++i) {
            while (!there.pop(item)) {
            }
            static_cast<void>(back.push(item));
        }
    };
    const double seconds = detail::time_both(ping, pong);
    return {seconds, wrong == 0};
}

}  // namespace casc::bench
