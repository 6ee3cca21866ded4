#include "sample_frames.hpp"

#include <casc/wire/batch_builder.hpp>

#include <array>

namespace casc::golden {
namespace {

using namespace wire;

constexpr EpochNanos kNow(1'700'000'000'000'000'000);
constexpr std::array kHeaders{HeaderInput{"trace", "00-4bf92f35"}, HeaderInput{"empty", ""}};
constexpr std::array<std::byte, 16> kMessageId = [] {
    std::array<std::byte, 16> id{};
    for (unsigned i = 0; i < 16; ++i)
        id[i] = static_cast<std::byte>('A' + i);
    return id;
}();

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

Bytes finished(BatchBuilder& builder, const FinishOptions& options = {}) {
    Bytes buffer;
    const auto batch = builder.finish(options, buffer);
    return {batch.begin(), batch.end()};
}

Bytes stamped(Bytes batch) {
    stamp_batch(batch, Offset(1000), EpochNanos(kNow.value() + 5'000'000), 4711, 3);
    return batch;
}

// Every column, in an event of its own and in one event together.
Bytes every_column() {
    BatchBuilder builder(Lane::critical);
    const auto add = [&](EventInput event) { builder.add(event, kNow); };
    add({.payload = bytes_of("nothing else")});
    add({.payload = bytes_of("key"), .key = bytes_of("customer-7")});
    add({.payload = bytes_of("empty key"), .key = bytes_of("")});
    add({.payload = bytes_of("headers"), .headers = kHeaders});
    add({.payload = bytes_of("message id"), .message_id = kMessageId});
    add({.payload = bytes_of("timestamp"), .timestamp = EpochNanos(1)});
    add({.payload = bytes_of("type"), .type = "OrderPlaced"});
    add({.payload = bytes_of("correlation id"), .correlation_id = "request-9"});
    add({.payload = bytes_of("source"), .source = "shop"});
    add({.payload = bytes_of("destination"), .destination = "billing"});
    add({.payload = bytes_of("schema version"), .schema_version = 2});
    add({.payload = bytes_of("time to live"), .time_to_live_ms = 60'000});
    add({.payload = bytes_of("deliver at"), .deliver_at = EpochNanos(kNow.value() + 1)});
    add({.payload = bytes_of("all"),
         .key = bytes_of("k"),
         .headers = kHeaders,
         .message_id = kMessageId,
         .timestamp = EpochNanos(-1),
         .type = "t",
         .correlation_id = "c",
         .source = "s",
         .destination = "d",
         .schema_version = 0xFFFFFFFF,
         .time_to_live_ms = 0xFFFFFFFF,
         .deliver_at = EpochNanos(-1)});
    add({.payload = {}});
    return finished(builder);
}

Bytes compressed() {
    BatchBuilder builder(Lane::low);
    for (int i = 0; i < 20; ++i)
        builder.add({.payload = bytes_of("the same again and again, "), .key = bytes_of("k")},
                    kNow);
    return finished(builder, {.codec = Codec::lz4, .compress_bytes_min = 64});
}

Bytes idempotent() {
    BatchBuilder builder(Lane::high);
    builder.add_payload(bytes_of("first"), kNow);
    builder.add_payload(bytes_of("second"), kNow);
    return finished(
        builder,
        {.producer_id = ProducerId(0x0102030405060708), .producer_epoch = 9, .base_sequence = 500});
}

}  // namespace

Bytes example_batch(bool with_stamp) {
    BatchBuilder builder;
    builder.add({.payload = bytes_of("hello"), .key = bytes_of("k1")}, kNow);
    builder.add({.payload = bytes_of("casc!")}, kNow);
    const Bytes batch = finished(builder);
    return with_stamp ? stamped(batch) : batch;
}

std::vector<Sample> batch_samples() {
    return {{"batch.small", example_batch(false)},
            {"batch.small-stamped", example_batch(true)},
            {"batch.every-column", every_column()},
            {"batch.every-column-stamped", stamped(every_column())},
            {"batch.idempotent", idempotent()},
            {"batch.lz4", compressed(), /*bytes_are_ours=*/false}};
}

std::vector<Sample> all_samples() {
    std::vector<Sample> all;
    for (auto part : {batch_samples(), topic_samples(), event_samples(), group_samples(),
                      queue_samples(), write_samples(), request_samples(), tap_samples(),
                      filter_samples(), key_samples(), ring_samples()})
        for (auto& sample : part)
            all.push_back(std::move(sample));
    return all;
}

}  // namespace casc::golden
