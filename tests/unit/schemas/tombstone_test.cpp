#include <casc/types/key_partition.hpp>
#include <casc/wire/batch_slice.hpp>
#include <casc/wire/compression.hpp>
#include <casc/wire/tombstone.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace casc;
using namespace casc::wire;

namespace {

std::span<const std::byte> octets_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

TEST_CASE("wire/tombstone: an empty payload with the header, and nothing else") {
    const HeaderInput mark{kTombstoneHeader, "whatever"};
    const HeaderInput other{"casc-tombston", ""};
    const std::array both{other, mark};
    BatchBuilder builder;
    const auto key = octets_of("k");
    builder.add({.payload = {}, .key = key, .headers = std::span(&mark, 1)}, EpochNanos(1));
    builder.add({.payload = {}, .key = key, .headers = both}, EpochNanos(1));
    builder.add({.payload = {}, .key = key}, EpochNanos(1));
    builder.add({.payload = {}, .key = key, .headers = std::span(&other, 1)}, EpochNanos(1));
    builder.add({.payload = octets_of("v"), .key = key, .headers = std::span(&mark, 1)},
                EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish({}, bytes);
    const auto batch = BatchView::parse(bytes);
    REQUIRE(batch);
    CHECK(is_tombstone(*batch, 0));
    CHECK(is_tombstone(*batch, 1));
    CHECK_FALSE(is_tombstone(*batch, 2));
    CHECK_FALSE(is_tombstone(*batch, 3));
    CHECK_FALSE(is_tombstone(*batch, 4));
    CHECK(payload_bytes(*batch, 3) == 0);
    CHECK(payload_bytes(*batch, 4) == 1);
}

TEST_CASE("wire/batch_slice: a slice that is compressed again opens to the same events") {
    BatchBuilder builder;
    for (int i = 0; i < 50; ++i) {
        const std::string text = std::to_string(i) + std::string(200, 'x');
        builder.add({.payload = octets_of(text), .key = octets_of("key")}, EpochNanos(7));
    }
    std::vector<std::byte> bytes;
    builder.finish({.codec = Codec::lz4, .compress_bytes_min = 0}, bytes);
    stamp_batch(bytes, Offset(1000), EpochNanos(9), 5, 3);
    const auto batch = BatchView::parse(bytes);
    REQUIRE(batch);
    Decompressor decompressor;
    const auto payloads = decompressor.open(*batch);
    REQUIRE(payloads);
    std::vector<std::byte> slice(slice_bytes(*batch, {10, 40}));
    slice_batch(*batch, *payloads, {10, 40}, slice);
    const std::size_t uncompressed = slice.size();
    compress_batch(slice);
    CHECK(slice.size() < uncompressed / 4);
    const auto packed = BatchView::parse(slice);
    REQUIRE(packed);
    CHECK(packed->verify_body());
    CHECK(packed->verify_stamp());
    CHECK(packed->base_offset() == Offset(1010));
    CHECK(packed->header().codec == Codec::lz4);
    Decompressor again;
    const auto opened = again.open(*packed);
    REQUIRE(opened);
    const auto event = packed->event(29, *opened);
    CHECK(std::string(reinterpret_cast<const char*>(event.payload.data()), 2) == "39");
    // What does not get smaller stays as it is.
    BatchBuilder tiny;
    tiny.add_payload(octets_of("ab"), EpochNanos(1));
    std::vector<std::byte> small;
    tiny.finish({}, small);
    const auto before = small;
    compress_batch(small);
    CHECK(small == before);
}
