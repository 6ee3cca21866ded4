#include "store_fixture.hpp"

namespace casc::storage {

namespace {

struct RetentionFixture : StoreFixture {
    void fill(LogId log, int count) {
        for (int i = 0; i < count; ++i)
            settle(append(log, {std::string(6000, static_cast<char>('a' + i % 26))}));
    }
    std::uint64_t sst_bytes() { return store->stats().sst_bytes; }
    std::uint64_t slices() { return store->stats().slices; }
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
    // Log 2 has a little in every slice.
    for (int i = 0; i < 40; ++i) {
        fill(log_of(1), 4);
        settle(append(log_of(2), {"alive " + std::to_string(i)}));
    }
    drain();
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
        store->submit();
        poll();
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
