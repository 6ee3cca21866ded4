#include "tail_cache.hpp"

#include "store_fixture.hpp"

#include <cstring>

namespace casc::storage {

namespace {

// Entries of one batch each, in blocks of 4 KiB.
struct CacheFixture {
    void add(std::uint64_t sequence, LogId log, std::uint64_t base, std::uint32_t events = 1) {
        BlockRef block = pool.take(4_KiB);
        const auto batch = batch_of(Events(events, "e"));
        std::memcpy(block.bytes().data(), batch.data(), batch.size());
        const auto place = block.bytes().first(batch.size());
        wire::stamp_batch(place, Offset(base), EpochNanos(static_cast<std::int64_t>(base * 10)),
                          sequence, 1);
        cache.begin_entry(JournalSequence(sequence), std::move(block));
        cache.add(log, base, events, place);
    }
    std::vector<std::uint64_t> bases(LogId log, std::uint64_t from, std::uint64_t until = ~0ull,
                                     std::size_t bytes_max = 1_MiB) {
        std::vector<BatchRef> batches;
        REQUIRE(cache.read(log, from, until, bytes_max, batches));
        std::vector<std::uint64_t> found;
        for (const auto& ref : batches)
            found.push_back(wire::BatchView::parse(ref.bytes)->base_offset().value());
        return found;
    }
    bool has(LogId log, std::uint64_t from) {
        std::vector<BatchRef> batches;
        return cache.read(log, from, ~0ull, 1_MiB, batches);
    }

    BlockPool pool{4_KiB, 64_KiB};
    TailCache cache;
};

using Bases = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE_FIXTURE(CacheFixture,
                  "storage/tail_cache: a read starts with the batch that holds the offset") {
    add(1, log_of(1), 0, 3);
    add(2, log_of(1), 3, 3);
    add(3, log_of(1), 6, 3);
    CHECK(bases(log_of(1), 0) == Bases{0, 3, 6});
    CHECK(bases(log_of(1), 4) == Bases{3, 6});
    CHECK(bases(log_of(1), 5, 6) == Bases{3});
    CHECK(bases(log_of(1), 9) == Bases{});
    CHECK(bases(log_of(1), 0, ~0ull, 1) == Bases{0});  // one at least
}

TEST_CASE_FIXTURE(CacheFixture,
                  "storage/tail_cache: the oldest entries go first, and what is not stored stays") {
    for (std::uint64_t i = 0; i < 8; ++i)
        add(i + 1, log_of(1 + static_cast<std::uint32_t>(i % 2)), i / 2);
    CHECK(cache.bytes() == 8 * 4_KiB);
    cache.evict(4 * 4_KiB, JournalSequence(2));
    CHECK(cache.bytes() == 6 * 4_KiB);  // pinned: the other two are not checkpointed
    cache.evict(4 * 4_KiB, JournalSequence(8));
    CHECK(cache.bytes() == 4 * 4_KiB);
    CHECK(!has(log_of(1), 1));
    CHECK(bases(log_of(1), 2) == Bases{2, 3});
    cache.evict(0, JournalSequence(8));
    CHECK(!has(log_of(1), 3));
    CHECK(cache.bytes() == 0);
}

TEST_CASE_FIXTURE(CacheFixture,
                  "storage/tail_cache: memory in a reader's hands outlives the cache's interest") {
    add(1, log_of(1), 0);
    std::vector<BatchRef> held;
    REQUIRE(cache.read(log_of(1), 0, 1, 1_MiB, held));
    cache.evict(0, JournalSequence(1));
    add(2, log_of(1), 1);
    CHECK(events_of(held) == Events{"e"});
    CHECK(pool.bytes_in_use() == 8_KiB);
}

TEST_CASE_FIXTURE(CacheFixture, "storage/tail_cache: batches are found by time and by size") {
    for (std::uint64_t i = 0; i < 5; ++i)
        add(i + 1, log_of(1), i);
    CHECK(cache.find_time(log_of(1), EpochNanos(15))->offset == Offset(2));
    CHECK(cache.find_time(log_of(1), EpochNanos(40))->offset == Offset(4));
    CHECK(!cache.find_time(log_of(1), EpochNanos(41)));
    const std::size_t bytes = batch_of({"e"}).size();
    CHECK(cache.newest(log_of(1), 2 * bytes)->start == 3);
    CHECK(!cache.newest(log_of(1), 2 * bytes)->all);
    CHECK(cache.newest(log_of(1), 5 * bytes)->all);
    CHECK(!cache.newest(log_of(2), 5 * bytes));
}

}  // namespace casc::storage
