#include "entry_builder.hpp"
#include "store_fixture.hpp"

namespace casc::storage {

namespace {

struct EntryFixture {
    EntryFixture() { builder.start(JournalSequence(1), pool.take(64_KiB)); }
    std::span<std::byte> body() {
        return builder.block().bytes().subspan(kEntryHeaderBytes, builder.body_bytes());
    }
    void fill() {
        builder.add_batch(log_of(1), RetentionClass::day, batch_of({"a", "b"}), Offset(5),
                          EpochNanos(7), 9, 2);
        builder.add(RecordKind::put, 17, {}, "key", "some value");
        builder.add(RecordKind::erase, 17, {}, "other key", {});
        const std::uint64_t number = 77;
        builder.add(RecordKind::trim, 0, log_of(1), {},
                    {reinterpret_cast<const char*>(&number), 8});
        builder.add(RecordKind::erase_log, 0, log_of(2), {}, {});
    }
    std::uint32_t crc() { return EntryBuilder(builder).finish().body_crc; }

    BlockPool pool{64_KiB, 64_KiB};
    EntryBuilder builder;
};

}  // namespace

TEST_CASE_FIXTURE(EntryFixture, "storage/entry: records come out as they went in") {
    fill();
    CHECK(builder.record_count() == 5);
    RecordCursor cursor(body());
    Record record;
    REQUIRE(cursor.next(record));
    CHECK(record.header.kind == RecordKind::batch);
    CHECK(record.header.table == static_cast<std::uint8_t>(RetentionClass::day));
    CHECK(record.log() == log_of(1));
    CHECK(stamp_matches(record.value, 5));
    CHECK(peek_stamp(record.value).epoch == 2);
    CHECK(peek_header(record.value).event_count == 2);
    REQUIRE(cursor.next(record));
    CHECK(record.key == "key");
    CHECK(record.value_text() == "some value");
    REQUIRE(cursor.next(record));
    CHECK(record.header.kind == RecordKind::erase);
    CHECK(record.key == "other key");
    REQUIRE(cursor.next(record));
    CHECK(record.number() == 77);
    REQUIRE(cursor.next(record));
    CHECK(record.header.kind == RecordKind::erase_log);
    CHECK(!cursor.next(record));
    CHECK(cursor.ok());
}

TEST_CASE_FIXTURE(EntryFixture, "storage/entry: any flipped bit is found, wherever it is") {
    fill();
    const std::uint32_t good = crc();
    const auto bytes = body();
    REQUIRE(check_entry_body(bytes, good));
    for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
        CAPTURE(i);
        const auto mask = static_cast<std::byte>(1u << i % 8);
        bytes[i / 8] ^= mask;
        CHECK(!check_entry_body(bytes, good));
        bytes[i / 8] ^= mask;
    }
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
        CHECK(!check_entry_body(bytes.first(cut), good));
}

TEST_CASE_FIXTURE(EntryFixture, "storage/entry: room is told exactly") {
    const std::size_t free = builder.block().bytes().size() - kEntryHeaderBytes;
    CHECK(builder.has_room(free));
    CHECK(!builder.has_room(free + 1));
    builder.add(RecordKind::put, 16, {}, "k", "v");
    CHECK(builder.body_bytes() == record_bytes(1, 1));
    CHECK(!builder.has_room(free - record_bytes(1, 1) + 1));
}

TEST_CASE_FIXTURE(EntryFixture, "storage/entry: an empty body is a good one") {
    CHECK(check_entry_body({}, 0));
    CHECK(!check_entry_body({}, 1));
}

}  // namespace casc::storage
