#include "batch_support.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::wire;
using namespace casc::wire::test;

namespace {

Bytes repetitive(std::size_t bytes) {
    Bytes result(bytes);
    for (std::size_t i = 0; i < bytes; ++i)
        result[i] = static_cast<std::byte>('a' + i % 7);
    return result;
}

Bytes incompressible(std::size_t bytes) {
    std::mt19937_64 random(30);
    Bytes result(bytes);
    for (auto& byte : result)
        byte = static_cast<std::byte>(random());
    return result;
}

Bytes compressed_batch(const Bytes& payload) {
    Bytes batch = batch_of({{.payload = payload}}, EpochNanos(1),
                           {.codec = Codec::lz4, .compress_bytes_min = 0});
    REQUIRE(BatchView::parse(batch).value().header().codec == Codec::lz4);
    return batch;
}

// Opens a batch that parse accepted.
Result<Bytes> opened(const Bytes& batch) {
    CASC_TRY(const auto view, BatchView::parse(batch));
    Decompressor decompressor;
    CASC_TRY(const auto payloads, decompressor.open(view));
    return Bytes(payloads.begin(), payloads.end());
}

// The payload section says it opens to `bytes`; the one event's position agrees with the lie.
Bytes claiming(Bytes batch, std::uint32_t bytes) {
    batch = patched(std::move(batch), in_header(offsetof(BatchHeader, payload_bytes)), bytes);
    return sealed(patched(std::move(batch), kBatchOverheadBytes, bytes));
}

}  // namespace

TEST_CASE("schemas/compression: a compressed batch is smaller and opens to the same payloads") {
    const Bytes payload = repetitive(100'000);
    const Bytes batch = compressed_batch(payload);
    CHECK(batch.size() < 2'000);
    CHECK(batch.size() % 8 == 0);
    CHECK(opened(batch).value() == payload);
}

TEST_CASE("schemas/compression: only the payloads are compressed, the columns stay readable") {
    Event event{.payload = repetitive(10'000), .key = bytes_of("the key")};
    const Bytes bytes = batch_of({event, event}, EpochNanos(1), {.codec = Codec::lz4});
    const auto batch = BatchView::parse(bytes).value();
    CHECK(batch.header().codec == Codec::lz4);
    CHECK(batch.value(Column::keys, 1).value().size() == 7);
    CHECK(events_of(batch) == as_read({event, event}, EpochNanos(1)));
}

TEST_CASE("schemas/compression: under the threshold payloads are stored as they are") {
    const auto codec_of = [](std::size_t payload_bytes, std::size_t threshold) {
        const Bytes batch = batch_of({{.payload = repetitive(payload_bytes)}}, EpochNanos(1),
                                     {.codec = Codec::lz4, .compress_bytes_min = threshold});
        return BatchView::parse(batch).value().header().codec;
    };
    CHECK(codec_of(1023, 1024) == Codec::none);
    CHECK(codec_of(1024, 1024) == Codec::lz4);
    CHECK(codec_of(100, 0) == Codec::lz4);
}

TEST_CASE("schemas/compression: what does not get smaller is stored as it is") {
    const Bytes payload = incompressible(10'000);
    const Bytes batch = batch_of({{.payload = payload}}, EpochNanos(1), {.codec = Codec::lz4});
    CHECK(BatchView::parse(batch).value().header().codec == Codec::none);
    CHECK(batch == batch_of({{.payload = payload}}, EpochNanos(1)));
    CHECK(opened(batch).value() == payload);
    Bytes into(5);
    CHECK(compress_lz4(payload, into) == 0);
    CHECK(into.size() == 5);
}

TEST_CASE("schemas/compression: a few bytes cannot claim 64 MiB") {
    const Bytes batch = compressed_batch(repetitive(1'000));
    for (const std::uint32_t claim : {64u << 20, (64u << 20) + 1, 0xFFFFFFFFu, 1'000'000u})
        CHECK(BatchView::parse(claiming(batch, claim)).error().code == ErrorCode::batch_malformed);
}

TEST_CASE("schemas/compression: the densest section there can be is still accepted") {
    const Bytes payload(1u << 20);
    const Bytes batch = compressed_batch(payload);
    CHECK(opened(batch).value() == payload);
}

TEST_CASE("schemas/compression: a section that opens to more or less than it says is refused") {
    const Bytes batch = compressed_batch(repetitive(1'000));
    for (const std::uint32_t claim : {0u, 1u, 500u, 999u, 1'001u, 2'000u}) {
        CAPTURE(claim);
        const Bytes lying = claiming(batch, claim);
        REQUIRE(BatchView::parse(lying));
        CHECK(opened(lying).error().code == ErrorCode::batch_malformed);
    }
}

TEST_CASE("schemas/compression: a damaged section is refused or opens to its length") {
    const Bytes batch = compressed_batch(repetitive(3'000));
    const std::size_t stored = BatchView::parse(batch).value().header().stored_payload_bytes;
    std::mt19937_64 random(31);
    for (int round = 0; round < 5'000; ++round) {
        Bytes damaged = batch;
        for (int i = 0; i < 2; ++i)
            damaged[kBatchOverheadBytes + 8 + random() % stored] = static_cast<std::byte>(random());
        const auto result = opened(damaged);
        if (result) {
            CHECK(result->size() == 3'000);
        } else {
            CHECK(result.error().code == ErrorCode::batch_malformed);
        }
    }
}

TEST_CASE("schemas/compression: one decompressor opens large and small batches in any order") {
    Decompressor decompressor;
    for (const std::size_t bytes : {50'000u, 100u, 70'000u, 2'000u}) {
        const Bytes payload = repetitive(bytes);
        const Bytes batch = compressed_batch(payload);
        const auto payloads = decompressor.open(BatchView::parse(batch).value()).value();
        CHECK(Bytes(payloads.begin(), payloads.end()) == payload);
    }
}
