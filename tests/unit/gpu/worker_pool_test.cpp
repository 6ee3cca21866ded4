// Threads that share out a piece of work: that each item is done once, and all are done at the end.

#include "cpu/worker_pool.hpp"

#include "large_stacks.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

using casc::gpu::cpu::WorkerPool;

TEST_CASE("gpu/worker_pool: each item is done once before run() returns") {
    for (const std::size_t threads : {1, 2, 5}) {
        WorkerPool pool(threads);
        CHECK(pool.size() == threads);
        for (std::size_t count = 0; count < 200; ++count) {
            // Not atomic: what is done is seen when it has returned.
            std::vector<int> times(count, 0);
            pool.run(count, [&](std::size_t item, std::size_t worker) {
                ++times[item];
                times[item] += worker < threads ? 0 : 1000;
            });
            CHECK(times == std::vector<int>(count, 1));
        }
    }
}

TEST_CASE("gpu/worker_pool: no two threads are the same worker") {
    constexpr std::size_t kThreads = 4;
    WorkerPool pool(kThreads);
    std::vector<std::atomic<int>> inside(kThreads);
    std::atomic<int> trouble{0};
    for (int round = 0; round < 200; ++round)
        pool.run(64, [&](std::size_t, std::size_t worker) {
            if (inside[worker].fetch_add(1) != 0) ++trouble;
            inside[worker].fetch_sub(1);
        });
    CHECK(trouble == 0);
}

TEST_CASE("gpu/worker_pool: pieces follow each other, each with its own work") {
    WorkerPool pool(3);
    std::vector<std::size_t> numbers(50, 1);
    std::vector<std::size_t> next(numbers.size());
    for (std::size_t round = 0; round < 3000; ++round) {
        pool.run(numbers.size(), [&](std::size_t i, std::size_t) { next[i] = numbers[i] + round; });
        std::swap(numbers, next);
    }
    CHECK(numbers == std::vector<std::size_t>(50, 1 + 3000 * 2999 / 2));
}

TEST_CASE("gpu/worker_pool: it ends whether its threads sleep, look or have never worked") {
    for (int round = 0; round < 50; ++round) {
        WorkerPool pool(3);
        if (round % 2 == 0) pool.run(10, [](std::size_t, std::size_t) {});
    }
}

TEST_CASE("gpu/worker_pool: threads that sleep are woken for the next piece, and at the end") {
    WorkerPool pool(4);
    const auto wait_until_all_sleep = [&] {
        while (pool.sleepers() != pool.size() - 1)
            std::this_thread::yield();
    };
    for (int round = 0; round < 100; ++round) {
        wait_until_all_sleep();
        // Nobody takes a second item before all four are there: it takes all of them.
        std::atomic<std::size_t> here{0};
        pool.run(4, [&](std::size_t, std::size_t) {
            ++here;
            while (here != 4)
                std::this_thread::yield();
        });
        CHECK(here == 4);
    }
    wait_until_all_sleep();
}

TEST_CASE("gpu/worker_pool: when a thread cannot be started, those before it are stopped" *
          doctest::skip(casc::gpu::kIsSanitized)) {
    const casc::gpu::LargeStacks stacks;
    CHECK_THROWS_AS(WorkerPool(16), std::system_error);
}
