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

TEST_CASE("storage/block: blocks handed between threads come back whole") {
    BlockPool pool(4096, 1 << 20);
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&pool, &wrong, t] {
            for (int i = 0; i < 5000; ++i) {
                const auto block = pool.take(1);
                std::memset(block.bytes().data(), t, 64);
                const auto other = block;
                for (const auto byte : other.bytes().first(64))
                    wrong += byte != static_cast<std::byte>(t);
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong == 0);
    CHECK(pool.bytes_in_use() == 0);
}
