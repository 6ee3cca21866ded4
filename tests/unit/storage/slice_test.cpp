#include "checkpoint.hpp"
#include "reader.hpp"
#include "slice_directory.hpp"
#include "store_fixture.hpp"

namespace casc::storage {

namespace {

constexpr std::int64_t kMinute = 60'000'000'000;

// A checkpointer of its own, whose clock is ours.
struct SliceFixture {
    SliceFixture() {
        REQUIRE(disk.make_directories("/rocks"));
        REQUIRE(disk.make_directories("/ingest"));
        std::vector<Rocks::Opened> opened;
        rocks = std::move(*Rocks::open(disk, "/rocks", 1_MiB, Rocks::Mode::create, opened));
        slices = std::move(*SliceSet::adopt(*rocks, std::move(opened)));
        checkpointer = std::make_unique<Checkpointer>(
            *rocks, *slices, "/ingest", 1_MiB, JournalSequence(0), Checkpointer::AppliedByClass{});
    }
    // An entry with one batch of one event, and a checkpoint of it.
    void store(LogId log, RetentionClass retention, std::uint64_t base, std::int64_t now) {
        EntryBuilder builder;
        builder.start(JournalSequence(++sequence), pool.take(4_KiB));
        builder.add_batch(log, retention, batch_of({"e"}), Offset(base), EpochNanos(now), 0, 1);
        checkpointer->add(builder.finish());
        const auto done = checkpointer->checkpoint(EpochNanos(now));
        REQUIRE_MESSAGE(done.has_value(), (done ? std::string() : done.error().message()));
    }
    std::vector<SlicePart> parts(LogId log) { return *slices_of_log(*rocks, log); }

    SimulatedDisk disk{1};
    BlockPool pool{4_KiB, 64_KiB};
    std::unique_ptr<Rocks> rocks;
    std::unique_ptr<SliceSet> slices;
    std::unique_ptr<Checkpointer> checkpointer;
    std::uint64_t sequence = 0;
};

}  // namespace

TEST_CASE_FIXTURE(SliceFixture, "storage/slice: a slice is sealed when its time is up") {
    store(log_of(1), RetentionClass::hour, 0, 0);
    store(log_of(1), RetentionClass::hour, 1, 5 * kMinute - 1);
    CHECK(slices->count() == 1);
    store(log_of(1), RetentionClass::hour, 2, 5 * kMinute);
    CHECK(slices->count() == 2);
    store(log_of(2), RetentionClass::unlimited, 0, 0);
    store(log_of(2), RetentionClass::unlimited, 1, 1'000'000 * kMinute);
    CHECK(slices->count() == 3);
}

TEST_CASE_FIXTURE(SliceFixture, "storage/slice: the directory says which slice has which part") {
    store(log_of(1), RetentionClass::hour, 0, 0);
    store(log_of(1), RetentionClass::hour, 1, kMinute);
    store(log_of(1), RetentionClass::hour, 2, 6 * kMinute);
    const auto found = parts(log_of(1));
    REQUIRE(found.size() == 2);
    CHECK(found[0].row.first == 0);
    CHECK(found[0].row.end == 2);
    CHECK(found[0].row.batches == 2);
    CHECK(found[0].row.first_time == 0);
    CHECK(found[0].row.last_time == kMinute);
    CHECK(found[1].row.first == 2);
    CHECK(found[1].row.end == 3);
    CHECK(parts(log_of(2)).empty());
}

TEST_CASE_FIXTURE(
    SliceFixture,
    "storage/slice: parts of a log never overlap, also when it changes its class and back") {
    store(log_of(1), RetentionClass::hour, 0, 0);
    store(log_of(1), RetentionClass::week, 1, 1);
    store(log_of(1), RetentionClass::hour, 2, 2);
    const auto found = parts(log_of(1));
    REQUIRE(found.size() == 3);
    for (std::uint64_t i = 0; i < 3; ++i) {
        CHECK(found[i].row.first == i);
        CHECK(found[i].row.end == i + 1);
    }
}

TEST_CASE_FIXTURE(SliceFixture, "storage/slice: names carry class, number and age over a restart") {
    store(log_of(1), RetentionClass::week, 0, 12345);
    store(log_of(1), RetentionClass::hour, 1, 0);
    const SliceId week = slices->current(RetentionClass::week)->id;
    checkpointer.reset();
    slices.reset();
    rocks.reset();
    std::vector<Rocks::Opened> opened;
    rocks = std::move(*Rocks::open(disk, "/rocks", 1_MiB, Rocks::Mode::existing, opened));
    slices = std::move(*SliceSet::adopt(*rocks, std::move(opened)));
    REQUIRE(slices->current(RetentionClass::week) != nullptr);
    CHECK(slices->current(RetentionClass::week)->id == week);
    CHECK(slices->current(RetentionClass::week)->created == EpochNanos(12345));
    CHECK(slices->current(RetentionClass::day) == nullptr);
}

TEST_CASE_FIXTURE(SliceFixture,
                  "storage/slice: a cursor finds the batch that holds an offset, or the next one") {
    store(log_of(1), RetentionClass::hour, 10, 0);
    store(log_of(1), RetentionClass::hour, 11, 0);
    store(log_of(2), RetentionClass::hour, 0, 0);
    SliceCursor cursor(*rocks, slices->current(RetentionClass::hour), log_of(1),
                       SliceCursor::Purpose::look_up);
    cursor.seek(0);
    REQUIRE(cursor.valid());
    CHECK(cursor.base() == 10);
    cursor.seek(11);
    REQUIRE(cursor.valid());
    CHECK(cursor.base() == 11);
    cursor.next();
    CHECK(!cursor.valid());  // the next log begins
    cursor.seek(12);
    CHECK(!cursor.valid());
    CHECK(cursor.status());
}

// --- a reader ------------------------------------------------------------------------------------

namespace {

struct ReaderFixture : SliceFixture {
    ReaderFixture() {
        for (std::uint64_t offset = 0; offset < 6; ++offset)
            store(log_of(1), RetentionClass::hour, offset, 0);
    }
    // The offsets of the batches in the answer; one batch each unless there is room for more.
    std::vector<std::uint64_t> read(std::uint64_t from, std::uint64_t until,
                                    std::size_t bytes_max = 1) {
        const auto answer = reader.read({.token = 1,
                                         .log = log_of(1),
                                         .from = Offset(from),
                                         .until = Offset(until),
                                         .bytes_max = bytes_max});
        REQUIRE(answer.has_value());
        std::vector<std::uint64_t> offsets;
        for (const BatchRef& batch : *answer)
            offsets.push_back(peek_stamp(batch.bytes).base_offset);
        return offsets;
    }
    using Offsets = std::vector<std::uint64_t>;

    SizedPools answers{64_KiB, 1_MiB};
    Reader reader{*rocks, *slices, answers};
};

}  // namespace

TEST_CASE_FIXTURE(ReaderFixture, "storage/slice: a reader that goes on is read ahead of, once") {
    CHECK(read(0, 6) == Offsets{0});
    CHECK_FALSE(reader.prepare());  // it may have wanted no more than that
    CHECK(read(1, 6) == Offsets{1});
    CHECK(reader.prepare());
    CHECK_FALSE(reader.prepare());
    CHECK(read(2, 6) == Offsets{2});
    CHECK(reader.prepare());
    CHECK(read(3, 6) == Offsets{3});
}

TEST_CASE_FIXTURE(SliceFixture,
                  "storage/slice: what is damaged does not keep a reader from what is before it") {
    // Three blocks of one file.
    BlockPool large{64_KiB, 1_MiB};
    const std::string text(40'000, 'e');
    for (std::uint64_t i = 0; i < 3; ++i) {
        EntryBuilder builder;
        builder.start(JournalSequence(++sequence), large.take(64_KiB));
        builder.add_batch(log_of(1), RetentionClass::hour, batch_of({text}), Offset(i),
                          EpochNanos(0), 0, 1);
        checkpointer->add(builder.finish());
    }
    REQUIRE(checkpointer->checkpoint(EpochNanos(0)));
    const auto names = disk.list("/rocks");
    REQUIRE(names);
    for (const auto& name : *names) {
        const std::filesystem::path path = std::filesystem::path("/rocks") / name;
        if (name.ends_with(".sst") && disk.read_file(path)->size() > 100'000)
            disk.flip_bit(path, 100'000, 3);
    }

    SizedPools answers{64_KiB, 1_MiB};
    Reader reader{*rocks, *slices, answers};
    const ReadRequest all{0, log_of(1), Offset(0), Offset(3), 1_MiB};
    const auto good = reader.read(all);
    REQUIRE_MESSAGE(good, (good ? std::string() : good.error().message()));
    CHECK(events_of(*good) == Events{text, text});
    const auto bad = reader.read({0, log_of(1), Offset(2), Offset(3), 1_MiB});
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == ErrorCode::data_corrupt);
}

TEST_CASE_FIXTURE(
    ReaderFixture,
    "storage/slice: what was prepared is not given to a request that it does not fit") {
    const auto prepare_the_third = [&] {
        CHECK(read(0, 6) == Offsets{0});
        CHECK(read(1, 6) == Offsets{1});
        CHECK(reader.prepare());
    };
    SUBCASE("that ends before it") {
        prepare_the_third();
        CHECK(read(2, 2).empty());
        CHECK(read(2, 6) == Offsets{2});
    }
    SUBCASE("that has room for more") {
        prepare_the_third();
        CHECK(read(2, 6, 64_KiB) == Offsets{2, 3, 4, 5});
    }
    SUBCASE("from elsewhere") {
        prepare_the_third();
        CHECK(read(4, 6) == Offsets{4});
        CHECK(read(2, 6) == Offsets{2});
    }
    SUBCASE("of a slice that is gone since") {
        prepare_the_third();
        REQUIRE(slices->drop(slices->current(RetentionClass::hour)));
        reader.forget_dropped();
        CHECK(read(2, 6).empty());
    }
}

TEST_CASE_FIXTURE(ReaderFixture,
                  "storage/slice: a reader that was prepared for the end sees what came after it") {
    CHECK(read(4, 8) == Offsets{4});
    CHECK(read(5, 8) == Offsets{5});
    CHECK(reader.prepare());  // nothing there
    store(log_of(1), RetentionClass::hour, 6, 0);
    CHECK(read(6, 8) == Offsets{6});
}

}  // namespace casc::storage
