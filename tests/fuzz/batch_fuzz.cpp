// batch_fuzz.cpp: a batch from a producer, checked and then read to the last byte, as broker and
// consumer do.
//
// Checksums are looked at but do not decide: a malicious producer computes a right one over wrong
// lengths.

#include "fuzz_target.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/compression.hpp>

#include <algorithm>
#include <vector>

namespace {

using namespace casc;

void touch_headers(std::span<const std::byte> encoded) {
    wire::HeaderCursor cursor(encoded);
    std::string_view name, value;
    while (cursor.next(name, value)) {
        fuzz::touch(name);
        fuzz::touch(value);
    }
}

void touch_event(const wire::EventView& event) {
    fuzz::touch(event.payload);
    if (event.key) fuzz::touch(*event.key);
    if (event.message_id) fuzz::touch(*event.message_id);
    touch_headers(event.headers);
    fuzz::touch(event.type);
    fuzz::touch(event.correlation_id);
    fuzz::touch(event.source);
    fuzz::touch(event.destination);
}

void read_every_event(const wire::BatchView& batch) {
    wire::Decompressor decompressor;
    const auto payloads = decompressor.open(batch);
    if (!payloads) return;
    CASC_ASSERT(payloads->size() == batch.header().payload_bytes, payloads->size(),
                batch.header().payload_bytes);
    std::size_t payload_bytes = 0;
    for (std::uint32_t index = 0; index < batch.event_count(); ++index) {
        const auto event = batch.event(index, *payloads);
        CASC_ASSERT(event.offset == batch.base_offset() + OffsetDelta(index), index);
        CASC_ASSERT(event.payload.data() == batch.payload(index, *payloads).data(), index);
        touch_event(event);
        payload_bytes += event.payload.size();
    }
    CASC_ASSERT(payload_bytes <= payloads->size(), payload_bytes, payloads->size());
}

// What the broker does with a batch that it accepts must leave a batch that it accepts, producer's
// part untouched.
void check_stamping(std::span<const std::byte> accepted) {
    std::vector<std::byte> stored(accepted.begin(), accepted.end());
    const bool body_was_right = wire::BatchView::parse(accepted)->verify_body();
    wire::stamp_batch(stored, Offset(41), EpochNanos(42), 43, 44);
    const auto again = wire::BatchView::parse(stored);
    CASC_ASSERT(again.has_value(), stored.size());
    CASC_ASSERT(again->verify_stamp() && again->base_offset() == Offset(41),
                again->base_offset().value());
    CASC_ASSERT(again->verify_body() == body_was_right, body_was_right);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = fuzz::as_bytes(data, size);
    if (const auto length = wire::BatchView::peek_bytes(bytes))
        CASC_ASSERT(*length <= size, *length, size);
    const auto batch = wire::BatchView::parse(bytes);
    if (!batch) return 0;
    static_cast<void>(batch->verify_body());
    static_cast<void>(batch->verify_stamp());
    for (std::uint16_t column = 0; column < wire::kColumnCount; ++column)
        fuzz::touch(batch->column(static_cast<wire::Column>(column)));
    read_every_event(*batch);
    check_stamping(bytes);
    return 0;
}
