#include <casc/ring/ring.hpp>
#include <casc/storage/block.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

using namespace casc::storage;

TEST_CASE(
    "storage/block: a block is aligned, large enough and counted until its last reference goes") {
    BlockPool pool(10000, 1 << 20);
    {
        auto first = pool.take(1);
        const auto second = first;
        CHECK(reinterpret_cast<std::uintptr_t>(first.bytes().data()) % kBlockAlignment == 0);
        CHECK(first.bytes().size() == 12288);
        first = {};
        CHECK(pool.bytes_in_use() == 12288);
    }
    CHECK(pool.bytes_in_use() == 0);
}

TEST_CASE("storage/block: memory is used again") {
    BlockPool pool(4096, 1 << 20);
    const auto* first = pool.take(1).bytes().data();
    CHECK(pool.take(4096).bytes().data() == first);
}

TEST_CASE("storage/block: a larger request gets a block of its own that is not kept") {
    BlockPool pool(4096, 1 << 20);
    {
        const auto large = pool.take(4097);
        CHECK(large.bytes().size() == 8192);
        CHECK(pool.bytes_in_use() == 8192);
    }
    CHECK(pool.take(1).bytes().size() == 4096);
}

TEST_CASE("storage/block: no more than kept_bytes_max is kept") {
    BlockPool pool(4096, 4096);
    auto a = pool.take(1);
    auto b = pool.take(1);
    const auto* kept = a.bytes().data();
    a = {};
    b = {};  // given back to the system: a is all that may be kept
    CHECK(pool.take(1).bytes().data() == kept);
    CHECK(pool.bytes_in_use() == 0);
}

TEST_CASE("storage/block: blocks are made ahead for who takes them, and for nobody else") {
    BlockPool pool(4096, 1 << 20);
    casc::Breather breather;
    pool.restock(2 * 4096, breather);
    CHECK(pool.blocks_ready() == 0);
    const auto first = pool.take(1);  // none was ready: this one was made for it
    pool.restock(2 * 4096, breather);
    CHECK(pool.blocks_ready() == 2);
    const auto second = pool.take(1);
    CHECK(pool.blocks_ready() == 1);
    pool.restock(2 * 4096, breather);
    pool.restock(8 * 4096, breather);  // none was taken since
    CHECK(pool.blocks_ready() == 2);
    CHECK(pool.bytes_in_use() == 2 * 4096);
}

TEST_CASE("storage/block: no more blocks are made ahead than may be kept") {
    BlockPool pool(4096, 8192);
    casc::Breather breather;
    static_cast<void>(pool.take(1));
    pool.restock(1 << 20, breather);
    CHECK(pool.blocks_ready() == 2);
}

TEST_CASE("storage/block: large blocks share huge pages, and each is used again by itself") {
    constexpr std::size_t kMiB = 1 << 20;
    BlockPool pool(kMiB, 8 * kMiB);
    auto first = pool.take(kMiB);
    CHECK(pool.blocks_ready() == 1);
    auto second = pool.take(kMiB);
    CHECK(pool.blocks_ready() == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(first.bytes().data()) % (2 * kMiB) == 0);
    CHECK(second.bytes().data() == first.bytes().data() + kMiB);
    std::memset(first.bytes().data(), 1, kMiB);
    std::memset(second.bytes().data(), 2, kMiB);
    first = {};
    CHECK(second.bytes().front() == std::byte{2});
    first = pool.take(1);
    CHECK(first.bytes().data() + kMiB == second.bytes().data());
    CHECK(pool.bytes_in_use() == 2 * kMiB);
}

TEST_CASE("storage/block: a huge page lives as long as one of its blocks") {
    constexpr std::size_t kMiB = 1 << 20;
    BlockPool pool(kMiB, 0);  // keeps nothing
    auto first = pool.take(kMiB);
    CHECK(pool.blocks_ready() == 0);
    std::memset(first.bytes().data(), 1, kMiB);
    auto larger = pool.take(kMiB + 1);
    CHECK(larger.bytes().size() >= kMiB + 1);
    larger = {};
    CHECK(first.bytes().back() == std::byte{1});
}

TEST_CASE("storage/block: moving and assigning references neither leaks nor frees twice") {
    BlockPool pool(4096, 1 << 20);
    auto a = pool.take(1);
    auto b = std::move(a);
    CHECK_FALSE(a);  // NOLINT(bugprone-use-after-move): moved-from references are empty by contract
    const auto& self = b;
    b = self;
    CHECK(b.get()->references == 1);
    b = pool.take(1);
    CHECK(pool.bytes_in_use() == 4096);
}

TEST_CASE("storage/block: blocks given back by other threads come back whole") {
    BlockPool pool(4096, 16 * 4096);
    std::atomic<int> wrong{0};
    std::atomic<bool> done{false};
    std::vector<casc::ring::Ring<BlockRef>> rings;
    for (int t = 0; t < 3; ++t)
        rings.push_back(casc::ring::make_ring<BlockRef>(64));
    std::vector<std::thread> threads;
    for (auto& ring : rings)
        threads.emplace_back([&consumer = ring.consumer, &wrong] {
            const auto check = [&](BlockRef&& block) {
                const BlockRef own = std::move(block);
                const auto bytes = own.bytes().first(64);
                for (const auto byte : bytes)
                    wrong += byte != bytes[0];
            };
            while (consumer.state() != casc::ring::RingState::closed)
                static_cast<void>(consumer.drain(check));
        });
    threads.emplace_back([&] {
        casc::Breather breather;
        while (!done)
            pool.restock(8 * 4096, breather);
    });
    for (int i = 0; i < 20000; ++i) {
        auto block = pool.take(1);
        std::memset(block.bytes().data(), i, 64);
        for (std::size_t t = 0; t < rings.size(); ++t) {
            auto shared = block;
            while (!rings[t].producer.try_push(std::move(shared))) {
            }
        }
    }
    for (auto& ring : rings)
        ring.producer.close();
    done = true;
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong == 0);
    CHECK(pool.bytes_in_use() == 0);
    CHECK(pool.blocks_ready() <= 16);
}
