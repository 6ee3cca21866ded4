#include "store_fixture.hpp"

namespace casc::storage {

namespace {

struct RetentionFixture : StoreFixture {
    void fill(LogId log, int count) {
        for (int i = 0; i < count; ++i)
            settle(append(log, {std::string(6000, static_cast<char>('a' + i % 26))}));
    }
    // 160 large events of log 1, and in every slice a little of log 2.
    void fill_slices_with_little_of_log_2() {
        for (int i = 0; i < 40; ++i) {
            fill(log_of(1), 4);
            settle(append(log_of(2), {"alive " + std::to_string(i)}));
        }
        drain();
    }
    // Returns how much is stored then.
    std::uint64_t expire_log_1() {
        REQUIRE(store->trim(log_of(1), Offset(160)));
        drain();
        return sst_bytes();
    }
    std::uint64_t sst_bytes() { return store->stats().sst_bytes; }
    std::uint64_t slices() { return store->stats().slices; }
    std::vector<std::string> sst_files() {
        auto files = simulated.list(options.directory / "rocks").value();
        std::erase_if(files, [](const std::string& name) { return !name.ends_with(".sst"); });
        std::sort(files.begin(), files.end());
        return files;
    }
};

}  // namespace

TEST_CASE_FIXTURE(RetentionFixture,
                  "storage/retention: slices below every low-water mark go, with their files") {
    must_open();
    fill(log_of(1), 200);
    drain();
    const auto before = sst_bytes();
    const auto slices_before = slices();
    REQUIRE(slices_before >= 4);
    reclaim();
    CHECK(slices() == slices_before);  // nothing has expired yet
    REQUIRE(store->trim(log_of(1), Offset(190)));
    reclaim();
    CHECK(slices() < slices_before / 2);
    CHECK(sst_bytes() < before / 2);
    CHECK(read(log_of(1), 190).size() == 10);
    restart();
    CHECK(read(log_of(1), 190).size() == 10);
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "storage/retention: one living log keeps its slice, until it is erased") {
    must_open();
    fill(log_of(1), 5);
    fill(log_of(2), 1);
    drain();
    REQUIRE(store->trim(log_of(1), Offset(5)));
    reclaim();
    CHECK(slices() == 1);
    CHECK(read(log_of(2)).size() == 1);
    REQUIRE(store->erase_log(log_of(2)));
    reclaim();
    CHECK(slices() == 0);
    fill(log_of(1), 3);  // and the class gets a new slice
    restart();
    CHECK(read(log_of(1), 5).size() == 3);
}

TEST_CASE_FIXTURE(
    RetentionFixture,
    "storage/retention: a slice with little alive is rewritten and keeps that little") {
    must_open();
    fill_slices_with_little_of_log_2();
    const auto expected = read(log_of(2));
    const auto before = sst_bytes();
    REQUIRE(store->trim(log_of(1), Offset(160)));
    reclaim();
    CHECK(sst_bytes() < before / 2);
    CHECK(read(log_of(2)) == expected);
    const auto rewritten = sst_bytes();
    reclaim();
    CHECK(sst_bytes() == rewritten);  // once is enough
    restart();
    CHECK(read(log_of(2)) == expected);
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "storage/retention: a store that is drained does not begin to rewrite slices") {
    must_open();
    fill_slices_with_little_of_log_2();
    const auto expected = read(log_of(2));
    const auto before = expire_log_1();
    store->post_reclaim();  // rewrites one, and tells that others are due
    drain();
    CHECK(sst_bytes() >= before / 2);
    restart();
    reclaim();
    CHECK(sst_bytes() < before / 2);
    CHECK(read(log_of(2)) == expected);
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "storage/retention: a store that is destroyed while it reclaims ends in order") {
    must_open();
    fill(log_of(1), 1);
    REQUIRE(store->reserve(log_of(1), Offset(100)));
    drain();
    store->post_reclaim();
    must_open();
    // After a crash it would go on above what was reserved.
    CHECK(store->log_state(log_of(1))->end == Offset(1));
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "storage/retention: a sparse slice is left alone for a while, unless the disk is "
                  "full") {
    options.rewrite_after = std::chrono::hours(1);
    options.reserve_bytes = 1_MiB;
    must_open();
    fill_slices_with_little_of_log_2();
    const auto expected = read(log_of(2));
    const auto before = expire_log_1();
    reclaim();
    reclaim();
    CHECK(sst_bytes() >= before / 2);
    const auto plenty = 1_GiB;
    simulated.set_capacity(plenty);
    simulated.set_capacity(plenty - simulated.free_bytes("/").value() + options.reserve_bytes / 2);
    reclaim();
    CHECK(sst_bytes() < before / 2);
    CHECK(read(log_of(2)) == expected);
}

TEST_CASE_FIXTURE(
    RetentionFixture,
    "storage/retention: sparse slices are rewritten when their time has come, without "
    "another call") {
    options.rewrite_after = std::chrono::milliseconds(20);
    must_open();
    fill_slices_with_little_of_log_2();
    const auto expected = read(log_of(2));
    const auto before = expire_log_1();
    reclaim();
    while (sst_bytes() >= before / 2)
        wait_for_news();
    drain();
    CHECK(read(log_of(2)) == expected);
}

TEST_CASE_FIXTURE(
    RetentionFixture,
    "storage/retention: a slice whose last events are its largest is not rewritten for "
    "ever") {
    must_open();
    for (int i = 0; i < 300; ++i)
        settle(append(log_of(1), {"small"}));
    for (int i = 0; i < 30; ++i)
        settle(append(log_of(1), {std::string(6000, 'x')}));
    fill(log_of(3), 60);  // in slices behind it, or it would be the one that takes new events
    drain();
    REQUIRE(slices() >= 2);
    // An eleventh of the events is nearly all of the bytes.
    REQUIRE(store->trim(log_of(1), Offset(300)));
    reclaim();
    // Now and then the files of the state tables change, too; a slice that is rewritten is a new
    // file each time.
    constexpr int rounds_max = 10;
    int rounds = 0;
    for (auto files = sst_files(); ++rounds < rounds_max; files = sst_files()) {
        reclaim();
        if (sst_files() == files) break;
    }
    CHECK(rounds < rounds_max);
    CHECK(read(log_of(1), 300).size() == 30);
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "storage/retention: a reader of a dropped slice gets what is left") {
    must_open();
    fill(log_of(1), 200);
    drain();
    const auto first = read_cold({.token = 1,
                                  .log = log_of(1),
                                  .from = Offset(0),
                                  .until = Offset(200),
                                  .bytes_max = 8_KiB});
    REQUIRE(first);
    REQUIRE(store->trim(log_of(1), Offset(190)));
    reclaim();
    // The reader's place is in a slice that is gone.
    const auto next = read_cold({.token = 2,
                                 .log = log_of(1),
                                 .from = Offset(1),
                                 .until = Offset(200),
                                 .bytes_max = 8_KiB});
    REQUIRE(next);
    REQUIRE(!next->empty());
    CHECK(wire::BatchView::parse(next->front().bytes)->base_offset() == Offset(190));
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "storage/retention: a full disk refuses events, not the means to make room") {
    must_open();
    fill(log_of(1), 100);
    drain();
    options.reserve_bytes = 1_MiB;
    simulated.set_capacity(4_MiB);
    restart();
    Result<AppendTicket> refused = ErrorCode::overloaded;
    while (refused || refused.error().code == ErrorCode::overloaded) {
        store->submit();
        poll();
        refused = try_append(log_of(1), {std::string(6000, 'x')});
    }
    CHECK(refused.error().code == ErrorCode::disk_full);
    CHECK(error_info(refused.error().code).retryable);
    CHECK(!store->put(StateTable::group, "g", "1"));
    while (store->congested() &&
           !store->failure()) {  // with what it took before: it has room for that
        wait_for_news();
    }
    if (const auto again = try_append(log_of(1), {std::string(6000, 'x')}); !again)
        CHECK(again.error().code ==
              ErrorCode::disk_full);  // producers are told, not left waiting for an answer
    CHECK(!store->failure());
    REQUIRE(store->trim(log_of(1), store->log_state(log_of(1))->end));
    reclaim();
    fill(log_of(1), 3);
    CHECK(!store->failure());
}

}  // namespace casc::storage
