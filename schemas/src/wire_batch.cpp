#include "wire_columns.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/crc32c.hpp>

#include <bit>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace casc::wire {
namespace {

using detail::kAbsent;
using detail::kShapes;
using Bytes = std::span<const std::byte>;
using MessageIdView = std::span<const std::byte, 16>;

static_assert(std::endian::native == std::endian::little,
              "structs are copied to the wire as they lie in memory");
static_assert(sizeof(std::size_t) == 8, "sums of 32-bit lengths must not wrap");
static_assert(offsetof(BatchStamp, batch_bytes) == 4 && offsetof(BatchStamp, base_offset) == 8 &&
              offsetof(BatchStamp, append_time) == 16 && offsetof(BatchStamp, arrival) == 24 &&
              offsetof(BatchStamp, epoch) == 32 && offsetof(BatchStamp, body_crc) == 36 &&
              offsetof(BatchStamp, stamp_crc) == 44 &&
              std::has_unique_object_representations_v<BatchStamp>);
static_assert(offsetof(BatchHeader, producer_epoch) == 8 &&
              offsetof(BatchHeader, base_sequence) == 12 &&
              offsetof(BatchHeader, created_at) == 16 && offsetof(BatchHeader, event_count) == 24 &&
              offsetof(BatchHeader, columns_bytes) == 28 &&
              offsetof(BatchHeader, payload_bytes) == 32 &&
              offsetof(BatchHeader, stored_payload_bytes) == 36 &&
              offsetof(BatchHeader, columns) == 40 && offsetof(BatchHeader, codec) == 42 &&
              offsetof(BatchHeader, lane) == 43 &&
              std::has_unique_object_representations_v<BatchHeader>);

// An LZ4 block cannot say more than 255 bytes with one of its own: a section that claims more is a
// lie that is recognised before anybody takes memory for it.
constexpr std::size_t kLz4ExpansionMax = 255;

template <class T>
T load(const std::byte* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

Error malformed(const char* what) {
    return Error(ErrorCode::batch_malformed, what);
}

bool is_nil(MessageIdView id) noexcept {
    return (load<std::uint64_t>(id.data()) | load<std::uint64_t>(id.data() + 8)) == 0;
}

bool is_header_list(Bytes encoded) noexcept {
    while (!encoded.empty()) {
        if (encoded.size() < 2) return false;
        const std::size_t name = load<std::uint16_t>(encoded.data());
        if (encoded.size() < 2 + name + 4) return false;
        const std::size_t value = load<std::uint32_t>(encoded.data() + 2 + name);
        if (encoded.size() - (2 + name + 4) < value) return false;
        encoded = encoded.subspan(2 + name + 4 + value);
    }
    return true;
}

// Checks the `count` > 0 end positions at `ends`: they never fall, an absent event has no bytes,
// and nothing reaches past 2 GiB. Returns the last one. This is all that the broker does per event,
// so it is written without branches for the compiler to vectorise: with both below 2^31, `end -
// previous` has its top bit set exactly when it falls. (0.13 and 0.37 ns per event; 0.45 and 1.1
// with a carried `previous`. GCC 12 -O3, SSE2, Xeon at 3 GHz.)
template <bool may_be_absent>
std::optional<std::uint32_t> last_end(const std::byte* ends, std::uint32_t count) noexcept {
    constexpr std::uint32_t position = may_be_absent ? ~kAbsent : ~std::uint32_t{0};
    const auto raw_end = [ends](std::uint32_t index) {
        return load<std::uint32_t>(ends + std::size_t{4} * index);
    };
    const auto absent_mask = [](std::uint32_t raw) {
        return may_be_absent ? 0u - (raw >> 31) : 0u;
    };

    const std::uint32_t first = raw_end(0);
    std::uint32_t falls = first & position;
    std::uint32_t bytes_of_absent = absent_mask(first) & first & position;
    for (std::uint32_t i = 1; i < count; ++i) {
        const std::uint32_t raw = raw_end(i);
        const std::uint32_t length = (raw & position) - (raw_end(i - 1) & position);
        falls |= length | (raw & position);
        bytes_of_absent |= absent_mask(raw) & length;
    }
    if ((falls >> 31) != 0 || bytes_of_absent != 0) return std::nullopt;
    return raw_end(count - 1) & position;
}

// What the header alone can get wrong. `size` is the batch's.
Result<void> check_header(const BatchHeader& header, std::size_t size) {
    if (header.event_count == 0 || header.event_count > kBatchEventsMax)
        return malformed("event count out of range");
    if (header.codec != Codec::none && header.codec != Codec::lz4)
        return Error(ErrorCode::not_supported, "unknown compression codec");
    if (static_cast<std::uint8_t>(header.lane) >= kLaneCount) return Error(ErrorCode::unknown_lane);
    if ((header.columns & ~kKnownColumns) != 0)
        return Error(ErrorCode::not_supported, "unknown batch column");
    if ((header.columns & 1u) == 0) return malformed("no payload positions");
    if (header.payload_bytes > kPayloadBytesMax)
        return malformed("uncompressed payloads over the limit");
    if (header.codec == Codec::none && header.payload_bytes != header.stored_payload_bytes)
        return malformed("stored length differs without compression");
    if (header.payload_bytes > kLz4ExpansionMax * header.stored_payload_bytes)
        return malformed("more payload than compression can hold");
    const std::size_t used =
        kBatchOverheadBytes + std::size_t{header.columns_bytes} + header.stored_payload_bytes;
    if (header.columns_bytes % 8 != 0 || detail::padded(used) != size)
        return malformed("section lengths disagree");
    return {};
}

}  // namespace

bool HeaderCursor::next(std::string_view& name, std::string_view& value) noexcept {
    if (rest_.empty()) return false;
    const std::size_t name_bytes = load<std::uint16_t>(rest_.data());
    const std::size_t value_bytes = load<std::uint32_t>(rest_.data() + 2 + name_bytes);
    const auto* text = reinterpret_cast<const char*>(rest_.data());
    name = {text + 2, name_bytes};
    value = {text + 2 + name_bytes + 4, value_bytes};
    rest_ = rest_.subspan(2 + name_bytes + 4 + value_bytes);
    return true;
}

Result<std::size_t> BatchView::peek_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() < kBatchOverheadBytes) return malformed("shorter than a batch header");
    if (load<std::uint32_t>(bytes.data()) != kBatchMagic) return malformed("wrong magic");
    const std::size_t size = load<std::uint32_t>(bytes.data() + 4);
    if (size < kBatchOverheadBytes || size > kBatchBytesMax || size % 8 != 0)
        return malformed("impossible batch length");
    if (size > bytes.size()) return malformed("longer than the bytes it came in");
    return size;
}

Result<BatchView> BatchView::parse(std::span<const std::byte> bytes) {
    CASC_TRY(const std::size_t size, peek_bytes(bytes));
    if (size != bytes.size()) return malformed("shorter than the bytes it came in");

    BatchView view;
    view.bytes_ = bytes;
    std::memcpy(&view.stamp_, bytes.data(), sizeof view.stamp_);
    // The header holds two enums; they are range-checked below before anyone switches on them.
    std::memcpy(static_cast<void*>(&view.header_), bytes.data() + sizeof view.stamp_,
                sizeof view.header_);
    const BatchHeader& header = view.header_;

    CASC_TRY_VOID(check_header(header, size));

    const std::uint32_t count = header.event_count;
    std::size_t at = kBatchOverheadBytes;
    const std::size_t columns_end = at + header.columns_bytes;
    for (std::uint16_t index = 0; index < kColumnCount; ++index) {
        if (!view.has(static_cast<Column>(index))) continue;
        const std::size_t fixed = detail::fixed_part_bytes(kShapes[index], count);
        if (fixed > columns_end - at) return malformed("a column passes the end of the columns");
        view.column_at_[index] = static_cast<std::uint32_t>(at);
        at += fixed;
        if (kShapes[index].fixed_bytes != 0) continue;
        const auto last = last_end<true>(bytes.data() + view.column_at_[index], count);
        if (!last) return malformed("end positions of a column are out of order");
        if (detail::padded(*last) > columns_end - at)
            return malformed("a column passes the end of the columns");
        at += detail::padded(*last);
    }
    if (at != columns_end) return malformed("the columns are shorter than declared");
    if (last_end<false>(bytes.data() + view.column_at_[0], count) != header.payload_bytes)
        return malformed("payload positions disagree with the payloads");
    if (view.has(Column::headers)) {
        for (std::uint32_t i = 0; i < count; ++i)
            if (!is_header_list(view.value(Column::headers, i).value_or(Bytes{})))
                return malformed("a header list is broken");
    }
    return view;
}

bool BatchView::verify_body() const noexcept {
    return crc32c(bytes_.subspan(sizeof(BatchStamp))) == stamp_.body_crc;
}

bool BatchView::verify_stamp() const noexcept {
    return crc32c(bytes_.first(sizeof(BatchStamp) - 4)) == stamp_.stamp_crc;
}

std::span<const std::byte> BatchView::stored_payloads() const noexcept {
    return bytes_.subspan(kBatchOverheadBytes + header_.columns_bytes,
                          header_.stored_payload_bytes);
}

std::span<const std::byte> BatchView::column(Column column) const noexcept {
    const auto index = static_cast<std::size_t>(column);
    if (!has(column)) return {};
    const auto shape = kShapes[index];
    const std::size_t fixed = detail::fixed_part_bytes(shape, header_.event_count);
    const auto from = bytes_.subspan(column_at_[index]);
    if (shape.fixed_bytes != 0) return from.first(shape.fixed_bytes * header_.event_count);
    const auto last =
        load<std::uint32_t>(from.data() + std::size_t{4} * (header_.event_count - 1)) & ~kAbsent;
    return from.first(fixed + last);
}

std::span<const std::byte> BatchView::payload(std::uint32_t index,
                                              std::span<const std::byte> payloads) const noexcept {
    const std::byte* ends = bytes_.data() + column_at_[0];
    const std::uint32_t begin =
        index == 0 ? 0 : load<std::uint32_t>(ends + std::size_t{4} * (index - 1));
    const auto end = load<std::uint32_t>(ends + std::size_t{4} * index);
    if (payloads.size() < end) return {};
    return payloads.subspan(begin, end - begin);
}

std::optional<std::span<const std::byte>> BatchView::value(Column column,
                                                           std::uint32_t index) const noexcept {
    if (!has(column)) return std::nullopt;
    const std::byte* ends = bytes_.data() + column_at_[static_cast<std::size_t>(column)];
    const auto end = load<std::uint32_t>(ends + std::size_t{4} * index);
    if ((end & kAbsent) != 0) return std::nullopt;
    const auto begin =
        index == 0 ? 0 : load<std::uint32_t>(ends + std::size_t{4} * (index - 1)) & ~kAbsent;
    const std::byte* values = ends + detail::fixed_part_bytes({0}, header_.event_count);
    return Bytes(values + begin, end - begin);
}

EventView BatchView::event(std::uint32_t index,
                           std::span<const std::byte> payloads) const noexcept {
    const auto fixed = [&](Column column, auto otherwise) {
        using T = decltype(otherwise);
        if (!has(column)) return otherwise;
        return load<T>(bytes_.data() + column_at_[static_cast<std::size_t>(column)] +
                       sizeof(T) * index);
    };
    const auto text = [&](Column column) -> std::string_view {
        const auto bytes = value(column, index).value_or(Bytes{});
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    };

    EventView event;
    event.offset = Offset(stamp_.base_offset + index);
    event.lane = header_.lane;
    event.timestamp = EpochNanos(fixed(Column::timestamps, header_.created_at));
    event.append_time = EpochNanos(stamp_.append_time);
    event.payload = payload(index, payloads);
    if (header_.columns == 1) return event;  // nothing but payloads

    event.key = value(Column::keys, index);
    event.headers = value(Column::headers, index).value_or(Bytes{});
    if (has(Column::message_ids)) {
        const MessageIdView id(bytes_.data() + column_at_[2] + std::size_t{16} * index,
                               std::size_t{16});
        if (!is_nil(id)) event.message_id = id;
    }
    event.type = text(Column::types);
    event.correlation_id = text(Column::correlation_ids);
    event.source = text(Column::sources);
    event.destination = text(Column::destinations);
    event.schema_version = fixed(Column::schema_versions, std::uint32_t{0});
    event.time_to_live_ms = fixed(Column::time_to_live, std::uint32_t{0});
    event.deliver_at = EpochNanos(fixed(Column::deliver_at, std::int64_t{0}));
    return event;
}

void stamp_batch(std::span<std::byte> batch, Offset base, EpochNanos append_time,
                 std::uint64_t arrival, std::uint32_t epoch) noexcept {
    BatchStamp stamp;
    std::memcpy(&stamp, batch.data(), sizeof stamp);
    stamp.base_offset = base.value();
    stamp.append_time = append_time.value();
    stamp.arrival = arrival;
    stamp.epoch = epoch;
    stamp.reserved = 0;
    std::memcpy(batch.data(), &stamp, sizeof stamp);
    stamp.stamp_crc = crc32c(batch.first(sizeof stamp - 4));
    std::memcpy(batch.data(), &stamp, sizeof stamp);
}

}  // namespace casc::wire
