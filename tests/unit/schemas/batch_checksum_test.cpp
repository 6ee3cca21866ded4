#include "batch_support.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::wire;
using namespace casc::wire::test;

namespace {

Bytes checksum_example() {
    Event event{.payload = bytes_of("a payload of some length"), .key = bytes_of("key")};
    event.headers = {{"name", "value"}};
    return batch_of({event, {.payload = bytes_of("another")}});
}

// As a receiver asks: is it a batch, is it the producer's, is it the broker's.
bool is_intact(std::span<const std::byte> bytes) {
    const auto batch = BatchView::parse(bytes);
    return batch && batch->verify_body() && batch->verify_stamp();
}

}  // namespace

TEST_CASE("schemas/batch checksum: a flip of any bit of a stamped batch is found") {
    Bytes batch = checksum_example();
    stamp_batch(batch, Offset(42), EpochNanos(43), 44, 45);
    REQUIRE(is_intact(batch));
    for (std::size_t bit = 0; bit < batch.size() * 8; ++bit) {
        batch[bit / 8] ^= std::byte{1} << (bit % 8);
        CAPTURE(bit);
        CHECK_FALSE(is_intact(batch));
        batch[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}

TEST_CASE(
    "schemas/batch checksum: a flip of any bit that the producer wrote is found before the stamp") {
    Bytes batch = checksum_example();
    for (std::size_t bit = sizeof(BatchStamp) * 8; bit < batch.size() * 8; ++bit) {
        batch[bit / 8] ^= std::byte{1} << (bit % 8);
        const auto parsed = BatchView::parse(batch);
        CAPTURE(bit);
        CHECK_FALSE((parsed && parsed->verify_body()));
        batch[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}

TEST_CASE(
    "schemas/batch checksum: stamping, once or again, leaves the producer's part and its checksum "
    "alone") {
    const Bytes produced = checksum_example();
    Bytes batch = produced;
    for (std::uint64_t round = 0; round < 3; ++round) {
        stamp_batch(batch, Offset(round * 1000), EpochNanos(5), round, 7);
        CHECK(is_intact(batch));
        CHECK(BatchView::parse(batch).value().stamp().body_crc ==
              BatchView::parse(produced).value().stamp().body_crc);
        CHECK(std::equal(batch.begin() + sizeof(BatchStamp), batch.end(),
                         produced.begin() + sizeof(BatchStamp)));
    }
}

TEST_CASE("schemas/batch checksum: a stamp does not depend on what stood there before") {
    Bytes clean = checksum_example();
    Bytes dirty = patched(patched(clean, 8, std::uint64_t{0xDEAD}), 40, std::uint32_t{0xBEEF});
    stamp_batch(clean, Offset(1), EpochNanos(2), 3, 4);
    stamp_batch(dirty, Offset(1), EpochNanos(2), 3, 4);
    CHECK(clean == dirty);
}

TEST_CASE(
    "schemas/batch checksum: a batch that was never stamped does not pass for a stamped one") {
    CHECK_FALSE(BatchView::parse(checksum_example()).value().verify_stamp());
}
