#include "recent_reads.hpp"

#include <doctest/doctest.h>

#include <cstring>

using namespace casc;
using namespace casc::broker;

namespace {

constexpr MonoNanos kNow(1'000'000'000'000);
const LogId kLog(TopicId(7), PartitionId(0), Lane::normal);

// Only what stored_extent() looks at.
storage::BatchRef batch(storage::BlockPool& pool, std::uint64_t base, std::uint32_t count,
                        std::size_t bytes = 128) {
    wire::BatchStamp stamp{};
    stamp.base_offset = base;
    storage::BlockRef block = pool.take(bytes);
    const auto into = block.bytes().first(bytes);
    std::memset(into.data(), 0, bytes);
    std::memcpy(into.data(), &stamp, sizeof stamp);
    std::memcpy(into.data() + sizeof stamp + offsetof(wire::BatchHeader, event_count), &count,
                sizeof count);
    return {std::move(block), into};
}

std::vector<std::uint64_t> found(const RecentReads& reads, std::uint64_t from, std::uint64_t until,
                                 LogId log = kLog) {
    std::vector<storage::BatchRef> batches;
    reads.find(log, Offset(from), Offset(until), batches);
    std::vector<std::uint64_t> bases;
    for (const auto& b : batches)
        bases.push_back(stored_extent(b).base.value());
    return bases;
}

}  // namespace

TEST_CASE("broker/recent_reads: finds the batches that hold what is asked for, and no others") {
    storage::BlockPool pool(64 << 10, 1 << 20);
    RecentReads reads;
    reads.add(kLog, {batch(pool, 10, 5), batch(pool, 15, 5), batch(pool, 20, 10)}, kNow);
    using Bases = std::vector<std::uint64_t>;
    CHECK(found(reads, 10, 11) == Bases{10});
    CHECK(found(reads, 14, 16) == Bases{10, 15});
    CHECK(found(reads, 16, 100) == Bases{15, 20});
    CHECK(found(reads, 29, 100) == Bases{20});
    CHECK(found(reads, 30, 100).empty());
    CHECK(found(reads, 9, 100).empty());  // not without what comes first
    CHECK(found(reads, 10, 11, LogId(TopicId(8), PartitionId(0), Lane::normal)).empty());
    reads.add(kLog, {}, kNow);
    CHECK(found(reads, 10, 11) == Bases{10});
}

TEST_CASE("broker/recent_reads: keeps a bounded number, size and time of reads, the newest") {
    storage::BlockPool pool(64 << 10, 1 << 20);
    RecentReads reads;
    SUBCASE("number") {
        for (std::uint64_t i = 0; i < 1000; ++i)
            reads.add(kLog, {batch(pool, i, 1)}, kNow);
        CHECK(found(reads, 0, 1).empty());
        CHECK_FALSE(found(reads, 999, 1000).empty());
    }
    SUBCASE("size") {
        for (std::uint64_t i = 0; i < 40; ++i)
            reads.add(kLog, {batch(pool, i, 1, 1 << 20)}, kNow);
        CHECK(found(reads, 20, 21).empty());
        CHECK_FALSE(found(reads, 39, 40).empty());
    }
    SUBCASE("time") {
        reads.add(kLog, {batch(pool, 1, 1)}, kNow);
        reads.add(kLog, {batch(pool, 2, 1)}, kNow + MonoNanos::distance(4'000'000'000));
        reads.forget(kNow + MonoNanos::distance(6'000'000'000));
        CHECK(found(reads, 1, 2).empty());
        CHECK_FALSE(found(reads, 2, 3).empty());
    }
}
