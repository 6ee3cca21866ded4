#include "log_index.hpp"

#include "rounds.hpp"
#include "store_fixture.hpp"

#include <chrono>
#include <random>

namespace casc::storage {

namespace {
LogId log_number(std::uint32_t i) {
    return {TopicId(1 + i / 4), PartitionId(0), kLanes[i % 4]};
}
}  // namespace

TEST_CASE("storage/log_index: a log is found again with everything that was set") {
    LogIndex index;
    LogRow row;
    row.start = 3;
    row.end = 17;
    row.bytes = 4096;
    row.ceiling = 100;
    row.last_append = 42;
    row.epoch = 5;
    row.retention = RetentionClass::week;
    index.set(log_number(7), row);
    const LogRow found = index.row(log_number(7));
    CHECK(std::memcmp(&found, &row, sizeof row) == 0);
    CHECK(index.find(log_number(8)) == nullptr);
    CHECK(index.row(log_number(8)).end == 0);
}

TEST_CASE("storage/log_index: listing is in order and of the range, also after erasing and reuse") {
    LogIndex index;
    std::mt19937 random(1);
    std::map<std::uint64_t, std::uint64_t> expected;
    for (int i = 0; i < 5000; ++i) {
        const LogId log = log_number(static_cast<std::uint32_t>(random() % 2000));
        if (random() % 3 == 0) {
            index.erase(log);
            expected.erase(log.value());
        } else {
            LogRow row;
            row.end = static_cast<std::uint64_t>(i);
            index.set(log, row);
            expected[log.value()] = row.end;
        }
        if (i % 100 != 0) continue;
        const LogId first = log_number(500), last = log_number(1500);
        std::map<std::uint64_t, std::uint64_t> found;
        std::uint64_t previous = 0;
        index.for_each(first, last, [&](const LogIndex::Slot& slot) {
            CHECK(slot.log > previous);
            previous = slot.log;
            found[slot.log] = slot.end;
        });
        CHECK(found ==
              std::map(expected.lower_bound(first.value()), expected.upper_bound(last.value())));
    }
    CHECK(index.size() == expected.size());
}

TEST_CASE("storage/log_index: a hundred thousand idle logs take at most 64 bytes each") {
    LogIndex index;
    for (std::uint32_t i = 0; i < 100'000; ++i)
        index.set(log_number(i), LogRow{});
    index.for_each(LogId(0), LogId(~0ull), [](const LogIndex::Slot&) {});
    MESSAGE("bytes per log: " << index.memory_bytes() / 100'000);
    CHECK(index.memory_bytes() <= 64 * 100'000);
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/log_index: a store of a hundred thousand logs starts with all of them") {
    constexpr std::uint32_t kCount = test::quarter_under_tsan(100'000);
    options.journal.segment_bytes = 4_MiB;
    options.checkpoint_bytes = 8_MiB;
    options.unflushed_bytes_max = 16_MiB;
    options.slice_bytes = 64_MiB;
    must_open();
    const auto batch = batch_of({"one"});
    for (std::uint32_t i = 0; i < kCount; ++i) {
        while (store->congested()) {
            wait_for_news();
            advanced.clear();
        }
        REQUIRE(store->append(log_number(i), RetentionClass::unlimited, batch, EpochNanos(1)));
        store->submit();
    }
    drain();
    const auto before = std::chrono::steady_clock::now();
    restart();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
    MESSAGE("restart with " << kCount << " logs: " << took.count() << " s");
    CHECK(store->stats().logs == kCount);
    for (std::uint32_t i = 0; i < kCount; i += 9'973)
        CHECK(read(log_number(i)) == Events{"one"});
}

}  // namespace casc::storage
