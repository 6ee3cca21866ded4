#include "batch_support.hpp"

#include <casc/wire/batch_slice.hpp>

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::wire;
using namespace casc::wire::test;

namespace {

constexpr EpochNanos kSliceNow(1'700'000'000'000'000'000);

// Stamped as a broker would.
Bytes stored_batch(const std::vector<Event>& events, const FinishOptions& options = {}) {
    Bytes bytes = batch_of(events, kSliceNow, options, Lane::high);
    stamp_batch(bytes, Offset(1000), EpochNanos(77), 5, 3);
    return bytes;
}

Bytes slice_of(const BatchView& batch, SliceRange range) {
    Decompressor decompressor;
    const auto payloads = decompressor.open(batch).value();
    Bytes into(slice_bytes(batch, range), std::byte{0xEE});
    slice_batch(batch, payloads, range, into);
    return into;
}

}  // namespace

TEST_CASE("schemas/batch_slice: any part of any batch is a batch of exactly those events") {
    std::mt19937_64 random(21);
    for (int round = 0; round < 300; ++round) {
        std::vector<Event> events;
        for (std::size_t i = random() % 30 + 1; i > 0; --i)
            events.push_back(
                random_event(random, static_cast<unsigned>(random() & random() & kKnownColumns)));
        const Bytes bytes =
            stored_batch(events, {.producer_id = ProducerId(9),
                                  .producer_epoch = 2,
                                  .base_sequence = 50,
                                  .codec = round % 2 == 0 ? Codec::lz4 : Codec::none,
                                  .compress_bytes_min = 100});
        const auto batch = BatchView::parse(bytes);
        REQUIRE(batch);
        const auto first = static_cast<std::uint32_t>(random() % events.size());
        const auto end = static_cast<std::uint32_t>(first + 1 + random() % (events.size() - first));
        CAPTURE(round);
        const Bytes part = slice_of(*batch, {first, end});
        const auto slice = BatchView::parse(part);
        REQUIRE(slice);
        CHECK(slice->verify_body());
        CHECK(slice->verify_stamp());
        CHECK(events_of(*slice) ==
              as_read({events.begin() + first, events.begin() + end}, kSliceNow));
        CHECK(slice->base_offset() == Offset(1000 + first));
        CHECK(slice->stamp().append_time == 77);
        CHECK(slice->stamp().arrival == 5);
        CHECK(slice->stamp().epoch == 3);
        CHECK(slice->header().producer_id == 9);
        CHECK(slice->header().base_sequence == 50 + first);
        CHECK(slice->header().lane == Lane::high);
    }
}

TEST_CASE("schemas/batch_slice: the whole of an uncompressed batch is the batch") {
    const Bytes bytes = stored_batch({{.payload = bytes_of("a"), .key = bytes_of("k")},
                                      {.payload = bytes_of("bc")},
                                      {.payload = {}, .type = "t"}});
    const auto batch = BatchView::parse(bytes);
    REQUIRE(batch);
    CHECK(slice_of(*batch, {0, 3}) == bytes);
}
