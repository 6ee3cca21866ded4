// What a hostile or broken producer may send. Each malformation carries a checksum that is right
// for its bytes, so that only the structure can give it away.
#include "batch_support.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::wire;
using namespace casc::wire::test;

namespace {

ErrorCode refusal(const Bytes& batch) {
    const auto parsed = BatchView::parse(batch);
    return parsed ? ErrorCode::ok : parsed.error().code;
}

// Three events: payload ends 5, 10, 15; keys "ab", absent, "cde"; one header on the second.
Bytes malformed_example() {
    Event second{.payload = bytes_of("bbbbb")};
    second.headers = {{"name", "value"}};
    return batch_of({{.payload = bytes_of("aaaaa"), .key = bytes_of("ab")},
                     second,
                     {.payload = bytes_of("ccccc"), .key = bytes_of("cde")}});
}

constexpr std::size_t kPayloadEnds = kBatchOverheadBytes;  // three u32 and 4 bytes of padding
constexpr std::size_t kKeyEnds = kPayloadEnds + 16;        // likewise
constexpr std::size_t kKeyBytes = kKeyEnds + 16;           // "abcde" and 3 of padding
constexpr std::size_t kHeaderEnds = kKeyBytes + 8;
constexpr std::size_t kHeaderBytes = kHeaderEnds + 16;  // 2 + 4 + 4 + 5 = 15 bytes and 1 of padding

template <class T>
ErrorCode refusal_with(std::size_t at, T value) {
    return refusal(sealed(patched(malformed_example(), at, value)));
}

}  // namespace

TEST_CASE(
    "schemas/batch malformed: the example itself is accepted and lies as the cases below assume") {
    const Bytes batch = malformed_example();
    REQUIRE(refusal(batch) == ErrorCode::ok);
    CHECK(loaded<std::uint32_t>(batch, kPayloadEnds + 8) == 15);
    CHECK(loaded<std::uint32_t>(batch, kKeyEnds + 4) == (2 | 0x80000000));
    CHECK(loaded<std::uint32_t>(batch, kHeaderEnds + 8) == (15 | 0x80000000));
    CHECK(loaded<std::uint16_t>(batch, kHeaderBytes) == 4);
}

TEST_CASE("schemas/batch malformed: cut at any byte, or longer than it says") {
    const Bytes batch = malformed_example();
    for (std::size_t length = 0; length < batch.size(); ++length) {
        const Bytes cut(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(refusal(cut) == ErrorCode::batch_malformed);
        CHECK_FALSE(BatchView::peek_bytes(cut));
    }
    Bytes longer = batch;
    longer.resize(batch.size() + 8);
    CHECK(refusal(longer) == ErrorCode::batch_malformed);
    CHECK(BatchView::peek_bytes(longer).value() == batch.size());
}

TEST_CASE("schemas/batch malformed: magic and total length") {
    CHECK(refusal_with(0, std::uint32_t{0x31425344}) == ErrorCode::batch_malformed);
    for (const std::uint32_t size : {0u, 8u, 88u, 0xFFFFFFF8u, 0xFFFFFFFFu, 17u << 20})
        CHECK(refusal_with(4, size) == ErrorCode::batch_malformed);
}

TEST_CASE(
    "schemas/batch malformed: a length that is no multiple of eight, or over the limit, whatever "
    "came with it") {
    Bytes odd = malformed_example();
    odd.resize(odd.size() + 1);
    CHECK(refusal(patched(odd, 4, static_cast<std::uint32_t>(odd.size()))) ==
          ErrorCode::batch_malformed);
    Bytes huge = malformed_example();
    huge.resize(kBatchBytesMax + 8);
    CHECK(refusal(patched(huge, 4, static_cast<std::uint32_t>(huge.size()))) ==
          ErrorCode::batch_malformed);
}

TEST_CASE("schemas/batch malformed: event counts") {
    for (const std::uint32_t count :
         {0u, 1u, 2u, 5u, 6u, 1u << 20, (1u << 20) + 1, 0x40000000u, 0xFFFFFFFFu})
        CHECK(refusal_with(in_header(offsetof(BatchHeader, event_count)), count) ==
              ErrorCode::batch_malformed);
}

TEST_CASE("schemas/batch malformed: a count that only the padding of a column could satisfy") {
    // Four u32 fit where three and their padding lie; the fourth payload would end at 0, behind the
    // third.
    CHECK(refusal_with(in_header(offsetof(BatchHeader, event_count)), 4u) ==
          ErrorCode::batch_malformed);
}

TEST_CASE("schemas/batch malformed: section lengths") {
    const Bytes batch = malformed_example();
    for (const auto field :
         {offsetof(BatchHeader, columns_bytes), offsetof(BatchHeader, payload_bytes),
          offsetof(BatchHeader, stored_payload_bytes)}) {
        const auto right = loaded<std::uint32_t>(batch, in_header(field));
        for (const std::uint32_t wrong : {0u, right - 8, right + 8, right + 1, right - 1,
                                          0x7FFFFFF8u, 0xFFFFFFF8u, 0xFFFFFFFFu}) {
            CAPTURE(field);
            CAPTURE(wrong);
            CHECK(refusal_with(in_header(field), wrong) == ErrorCode::batch_malformed);
        }
    }
}

TEST_CASE(
    "schemas/batch malformed: payload and stored length changed together still disagree with the "
    "positions") {
    Bytes batch = malformed_example();
    for (const std::uint32_t bytes : {14u, 16u}) {  // both pad to the same batch length as 15
        batch = patched(batch, in_header(offsetof(BatchHeader, payload_bytes)), bytes);
        batch = patched(batch, in_header(offsetof(BatchHeader, stored_payload_bytes)), bytes);
        CHECK(refusal(sealed(batch)) == ErrorCode::batch_malformed);
    }
}

TEST_CASE(
    "schemas/batch malformed: payload positions that fall, pass the payloads, or leave bytes "
    "over") {
    for (const auto& wrong : {std::pair{0u, 11u},
                              {1u, 4u},
                              {1u, 16u},
                              {2u, 9u},
                              {2u, 14u},
                              {2u, 16u},
                              {0u, 0x80000000u},
                              {1u, 0x80000000u},
                              {0u, 0xFFFFFFFFu},
                              {2u, 0xFFFFFFFFu}}) {
        const auto index = wrong.first;
        const auto end = wrong.second;
        CAPTURE(index);
        CAPTURE(end);
        CHECK(refusal_with(kPayloadEnds + 4 * index, std::uint32_t{end}) ==
              ErrorCode::batch_malformed);
    }
}

TEST_CASE("schemas/batch malformed: positions of a bytes column") {
    constexpr std::uint32_t absent = 0x80000000;
    for (const auto& wrong : {std::pair{0u, 3u},
                              {1u, 1u},
                              {1u, 1u | absent},
                              {1u, 3u | absent},
                              {2u, 1u},
                              {2u, 5u | absent},
                              {0u, 2u | absent},
                              {2u, 0x7FFFFFFFu},
                              {0u, 0x7FFFFFFFu},
                              {2u, 0xFFFFFFFFu},
                              {2u, 9u},
                              {2u, 0u}}) {
        const auto index = wrong.first;
        const auto end = wrong.second;
        CAPTURE(index);
        CAPTURE(end);
        CHECK(refusal_with(kKeyEnds + 4 * index, std::uint32_t{end}) == ErrorCode::batch_malformed);
    }
}

TEST_CASE(
    "schemas/batch malformed: falling positions are found wherever they are, also in long "
    "columns") {
    const Bytes batch = batch_of(std::vector<Event>(1000, {.payload = Bytes(4), .key = Bytes(4)}));
    const std::size_t key_ends = kBatchOverheadBytes + 4000;
    for (std::uint32_t index = 0; index < 999; ++index) {
        for (const std::size_t ends : {kBatchOverheadBytes, key_ends}) {
            const auto next = loaded<std::uint32_t>(batch, ends + 4 * index + 4);
            CAPTURE(index);
            REQUIRE(refusal(patched(batch, ends + 4 * index, next + 1)) ==
                    ErrorCode::batch_malformed);
            REQUIRE(refusal(patched(batch, ends + 4 * index, next)) == ErrorCode::ok);
        }
    }
}

TEST_CASE("schemas/batch malformed: header lists that do not end where they say") {
    for (const int name : {3, 5, 9, 15, 0xFFFF})
        CHECK(refusal_with(kHeaderBytes, static_cast<std::uint16_t>(name)) ==
              ErrorCode::batch_malformed);
    for (const std::uint32_t value : {4u, 6u, 0u, 0xFFFFFFFFu, 0xFFFFFFF0u})
        CHECK(refusal_with(kHeaderBytes + 6, value) == ErrorCode::batch_malformed);
    // The list cut short by its position: too short for a name's length, then for a value's.
    for (const std::uint32_t bytes : {1u, 2u, 9u, 14u}) {
        Bytes batch = patched(malformed_example(), kHeaderEnds + 4, bytes);
        batch = patched(batch, kHeaderEnds + 8, bytes | 0x80000000u);
        CHECK(refusal(sealed(batch)) == ErrorCode::batch_malformed);
    }
}

TEST_CASE("schemas/batch malformed: without the column of payload positions") {
    const auto columns =
        loaded<std::uint16_t>(malformed_example(), in_header(offsetof(BatchHeader, columns)));
    CHECK(refusal_with(in_header(offsetof(BatchHeader, columns)),
                       static_cast<std::uint16_t>(columns & ~1)) == ErrorCode::batch_malformed);
    CHECK(refusal_with(in_header(offsetof(BatchHeader, columns)), std::uint16_t{0}) ==
          ErrorCode::batch_malformed);
}

TEST_CASE("schemas/batch malformed: columns added or taken away in the header alone") {
    const auto columns =
        loaded<std::uint16_t>(malformed_example(), in_header(offsetof(BatchHeader, columns)));
    for (unsigned column = 1; column < kColumnCount; ++column) {
        CAPTURE(column);
        CHECK(refusal_with(in_header(offsetof(BatchHeader, columns)),
                           static_cast<std::uint16_t>(columns ^ 1u << column)) ==
              ErrorCode::batch_malformed);
    }
}

TEST_CASE("schemas/batch malformed: what a later version may mean has its own answer") {
    for (unsigned column = kColumnCount; column < 16; ++column) {
        const auto columns = static_cast<std::uint16_t>(1u | 1u << column);
        CHECK(refusal_with(in_header(offsetof(BatchHeader, columns)), columns) ==
              ErrorCode::not_supported);
    }
    CHECK(refusal_with(in_header(offsetof(BatchHeader, codec)), std::uint8_t{2}) ==
          ErrorCode::not_supported);
    CHECK(refusal_with(in_header(offsetof(BatchHeader, codec)), std::uint8_t{255}) ==
          ErrorCode::not_supported);
    CHECK(refusal_with(in_header(offsetof(BatchHeader, lane)), std::uint8_t{4}) ==
          ErrorCode::unknown_lane);
    CHECK(refusal_with(in_header(offsetof(BatchHeader, lane)), std::uint8_t{255}) ==
          ErrorCode::unknown_lane);
}

TEST_CASE("schemas/batch malformed: reserved fields are ignored, as a later version may use them") {
    CHECK(refusal_with(in_header(offsetof(BatchHeader, reserved)), 0xFFFFFFFFu) == ErrorCode::ok);
    CHECK(refusal_with(offsetof(BatchStamp, reserved), 0xFFFFFFFFu) == ErrorCode::ok);
}

TEST_CASE("schemas/batch malformed: random damage is refused or read without harm") {
    std::mt19937_64 random(20);
    std::size_t accepted = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::vector<Event> events;
        for (std::size_t i = random() % 4 + 1; i > 0; --i)
            events.push_back(random_event(random, static_cast<unsigned>(random() & kKnownColumns)));
        Bytes batch =
            batch_of(events, EpochNanos(1), {.codec = Codec::lz4, .compress_bytes_min = 0});
        for (std::size_t i = random() % 3 + 1; i > 0; --i)
            batch[random() % batch.size()] =
                static_cast<std::byte>(random() % 3 == 0 ? 0xFF : random());
        const auto parsed = BatchView::parse(batch);
        if (!parsed) continue;
        Decompressor decompressor;
        const auto payloads = decompressor.open(*parsed);
        if (!payloads) continue;
        ++accepted;
        for (std::uint32_t i = 0; i < parsed->event_count(); ++i) {
            const Event event =
                read(parsed->event(i, *payloads));  // touches every byte; the sanitizers watch
            REQUIRE(event.payload.size() <= payloads->size());
        }
    }
    CHECK(accepted > 0);
}
