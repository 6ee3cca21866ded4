#include "batch_support.hpp"

#include <doctest/doctest.h>

#include <numeric>

using namespace casc;
using namespace casc::wire;
using namespace casc::wire::test;

namespace {

constexpr EpochNanos kNow(1'700'000'000'000'000'000);

void check_round_trip(const std::vector<Event>& events, const FinishOptions& options = {}) {
    const Bytes bytes = batch_of(events, kNow, options);
    const auto batch = BatchView::parse(bytes);
    REQUIRE(batch);
    CHECK(batch->verify_body());
    CHECK(bytes.size() % 8 == 0);
    CHECK(events_of(*batch) == as_read(events, kNow));
}

}  // namespace

TEST_CASE("schemas/batch: one event with nothing but a payload comes back") {
    check_round_trip({{.payload = bytes_of("hello")}});
    check_round_trip({{.payload = {}}});
}

TEST_CASE("schemas/batch: every combination of columns comes back") {
    std::mt19937_64 random(10);
    for (unsigned columns = 1; columns < 1u << kColumnCount; columns += 2) {
        std::vector<Event> events;
        for (int i = 0; i < 3; ++i)
            events.push_back(random_event(random, columns));
        const Bytes bytes = batch_of(events, kNow);
        const auto batch = BatchView::parse(bytes);
        CAPTURE(columns);
        REQUIRE(batch);
        REQUIRE(batch->header().columns == columns);
        REQUIRE(events_of(*batch) == as_read(events, kNow));
    }
}

TEST_CASE("schemas/batch: columns that only some events use come back, in random mixtures") {
    std::mt19937_64 random(11);
    for (int round = 0; round < 300; ++round) {
        std::vector<Event> events;
        for (std::size_t i = random() % 40 + 1; i > 0; --i)
            events.push_back(
                random_event(random, static_cast<unsigned>(random() & random() & kKnownColumns)));
        CAPTURE(round);
        check_round_trip(events, {.codec = round % 2 == 0 ? Codec::lz4 : Codec::none});
    }
}

TEST_CASE("schemas/batch: an absent key is not an empty key") {
    const std::vector<Event> events{{.payload = bytes_of("a")},
                                    {.payload = bytes_of("b"), .key = Bytes{}},
                                    {.payload = bytes_of("c"), .key = bytes_of("k")},
                                    {.payload = bytes_of("d")}};
    const Bytes bytes = batch_of(events);
    const auto batch = BatchView::parse(bytes).value();
    CHECK_FALSE(batch.event(0, {}).key.has_value());
    CHECK(batch.event(1, {}).key.value().empty());
    CHECK(batch.event(2, {}).key.value().size() == 1);
    CHECK_FALSE(batch.event(3, {}).key.has_value());
}

TEST_CASE("schemas/batch: an event without a message id gets none from its neighbours") {
    const MessageId id{std::byte{1}, std::byte{2}};
    const Bytes bytes =
        batch_of({{.payload = {}}, {.payload = {}, .message_id = id}, {.payload = {}}});
    const auto batch = BatchView::parse(bytes).value();
    CHECK_FALSE(batch.event(0, {}).message_id.has_value());
    CHECK(batch.event(1, {}).message_id.has_value());
    CHECK_FALSE(batch.event(2, {}).message_id.has_value());
}

TEST_CASE("schemas/batch: header names and values may be empty, long, repeated and of any bytes") {
    Event event{.payload = bytes_of("p")};
    event.headers = {{"", ""},
                     {"a", std::string(70'000, 'v')},
                     {"a", "again"},
                     {std::string(65'535, 'n'), "\0\xFF"}};
    check_round_trip({{.payload = {}}, event, {.payload = {}}});
}

TEST_CASE("schemas/batch: offsets count from the base that the broker stamped") {
    Bytes bytes =
        batch_of({{.payload = bytes_of("a")}, {.payload = bytes_of("b")}}, kNow, {}, Lane::high);
    stamp_batch(bytes, Offset(500), EpochNanos(77), 9, 3);
    const auto batch = BatchView::parse(bytes).value();
    CHECK(batch.base_offset() == Offset(500));
    CHECK(batch.end_offset() == Offset(502));
    CHECK(batch.stamp().arrival == 9);
    CHECK(batch.stamp().epoch == 3);
    const EventView event = batch.event(1, batch.stored_payloads());
    CHECK(event.offset == Offset(501));
    CHECK(event.append_time == EpochNanos(77));
    CHECK(event.timestamp == kNow);
    CHECK(event.lane == Lane::high);
}

TEST_CASE("schemas/batch: the producer's identity is in the header") {
    const Bytes bytes = batch_of(
        {{.payload = {}}}, kNow,
        {.producer_id = ProducerId(0x1122334455667788), .producer_epoch = 5, .base_sequence = 6});
    const auto& header = BatchView::parse(bytes).value().header();
    CHECK(header.producer_id == 0x1122334455667788);
    CHECK(header.producer_epoch == 5);
    CHECK(header.base_sequence == 6);
    CHECK(header.created_at == kNow.value());
}

TEST_CASE(
    "schemas/batch: a minimal event costs 4 bytes in a full batch, and 16 with its share of a "
    "batch of ten") {
    const auto overhead_of = [](std::size_t count) {
        return batch_of(std::vector<Event>(count, {.payload = Bytes(96)})).size() - count * 96;
    };
    CHECK(overhead_of(10) <= 10 * 16);
    CHECK(overhead_of(1000) == 1000 * 4 + kBatchOverheadBytes);
}

TEST_CASE(
    "schemas/batch: a column costs nothing until an event uses it, and then only its own bytes") {
    const std::vector<Event> plain(100, {.payload = bytes_of("payload!")});
    const std::size_t without = batch_of(plain).size();
    auto with_time_to_live = plain;
    with_time_to_live[40].time_to_live_ms = 1;
    CHECK(batch_of(with_time_to_live).size() == without + 400);
    auto with_key = plain;
    with_key[99].key = bytes_of("12345678");
    CHECK(batch_of(with_key).size() == without + 400 + 8);
}

TEST_CASE("schemas/batch: the builder knows the size of the batch before it makes it") {
    std::mt19937_64 random(12);
    for (int round = 0; round < 50; ++round) {
        BatchBuilder builder;
        for (std::size_t i = random() % 20 + 1; i > 0; --i)
            add(builder, random_event(random, kKnownColumns), kNow);
        Bytes buffer;
        const std::size_t foretold = builder.bytes();
        CHECK(builder.finish({}, buffer).size() == foretold);
    }
}

TEST_CASE("schemas/batch: a builder that is reset makes the same batch as a new one") {
    std::mt19937_64 random(13);
    BatchBuilder reused;
    for (int round = 0; round < 50; ++round) {
        const Lane lane = kLanes[random() % kLaneCount];
        std::vector<Event> events;
        for (int i = 0; i < 5; ++i)
            events.push_back(random_event(random, static_cast<unsigned>(random() & kKnownColumns)));
        reused.reset(lane);
        for (const Event& event : events)
            add(reused, event, kNow);
        Bytes buffer(random() % 5000, std::byte{0xEE});
        const auto batch = reused.finish({}, buffer);
        REQUIRE(Bytes(batch.begin(), batch.end()) == batch_of(events, kNow, {}, lane));
    }
}

TEST_CASE("schemas/batch: a batch can be finished twice, and behind bytes that stay as they are") {
    BatchBuilder builder;
    builder.add_payload(bytes_of("payload"), kNow);
    builder.add({.payload = bytes_of("second"), .key = bytes_of("k")}, kNow);
    Bytes first, second(32, std::byte{0xEE});
    builder.finish({}, first);
    const auto batch = builder.finish({}, second, 32);
    CHECK(batch.data() == second.data() + 32);
    CHECK(Bytes(batch.begin(), batch.end()) == first);
    CHECK(Bytes(second.begin(), second.begin() + 32) == Bytes(32, std::byte{0xEE}));
}

TEST_CASE("schemas/batch: a run of batches can be walked without parsing them") {
    Bytes run;
    std::vector<std::size_t> lengths;
    for (std::size_t i = 1; i <= 5; ++i) {
        const Bytes batch = batch_of(std::vector<Event>(i, {.payload = Bytes(i * 7)}));
        lengths.push_back(batch.size());
        run.insert(run.end(), batch.begin(), batch.end());
    }
    std::span<const std::byte> rest(run);
    for (const std::size_t length : lengths) {
        REQUIRE(BatchView::peek_bytes(rest).value() == length);
        CHECK(BatchView::parse(rest.first(length)));
        rest = rest.subspan(length);
    }
    CHECK(rest.empty());
}

TEST_CASE("schemas/batch: the raw column has a value per event and no padding") {
    const Bytes bytes =
        batch_of({{.payload = Bytes(3), .key = bytes_of("xyz"), .schema_version = 9},
                  {.payload = Bytes(4)},
                  {.payload = Bytes(5)}});
    const auto batch = BatchView::parse(bytes).value();
    CHECK(batch.column(Column::payload_ends).size() == 12);
    CHECK(batch.column(Column::schema_versions).size() == 12);
    CHECK(batch.column(Column::keys).size() == 16 + 3);
    CHECK(batch.column(Column::types).empty());
}

TEST_CASE("schemas/batch: an event that cannot travel is refused before it is added") {
    CHECK(check_event({.payload = Bytes(1'000'000)}));
    const Bytes too_large(kBatchBytesMax);
    CHECK(check_event({.payload = too_large}).error().code == ErrorCode::event_too_large);
    const std::string long_name(65'536, 'n');
    const HeaderInput header{long_name, "value"};
    CHECK(check_event({.payload = {}, .headers = {&header, 1}}).error().code ==
          ErrorCode::invalid_request);
}

TEST_CASE("schemas/batch: the largest event that is let in makes a batch that is let in") {
    Event event{.payload = Bytes(kBatchBytesMax - kBatchOverheadBytes - 16 * kColumnCount - 12)};
    event.key = bytes_of("k");
    event.type = "t";
    event.headers = {{"n", "v"}};
    event.time_to_live_ms = 1;
    const HeaderInput header{"n", "v"};
    const EventInput input{.payload = event.payload,
                           .key = std::span<const std::byte>(*event.key),
                           .headers = {&header, 1},
                           .type = event.type,
                           .time_to_live_ms = 1};
    REQUIRE(check_event(input));
    const Bytes bytes = batch_of({event});
    CHECK(bytes.size() <= kBatchBytesMax);
    CHECK(BatchView::parse(bytes));
}
