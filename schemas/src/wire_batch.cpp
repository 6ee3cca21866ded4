#include <casc/wire/batch.hpp>
#include <casc/wire/crc32c.hpp>

#include <cstring>
#include <string>

#include "wire_columns.hpp"

namespace casc::wire {
namespace {

using detail::kAbsent;
using detail::kShapes;

template <class T>
T load(const std::byte* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

Error malformed(const char* what) { return Error(ErrorCode::batch_malformed, what); }

bool is_header_list(std::span<const std::byte> encoded) noexcept {
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

// True when `count` end positions at `ends` never fall and never pass `limit`. Written so that the compiler can
// vectorise it: this is the only work the broker does per event.
bool ends_are_ordered(const std::byte* ends, std::uint32_t count, std::uint32_t limit) noexcept {
    std::uint32_t wrong = 0;
    std::uint32_t previous = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto end = load<std::uint32_t>(ends + std::size_t{4} * i);
        wrong |= static_cast<std::uint32_t>(end < previous);
        previous = end;
    }
    return wrong == 0 && previous <= limit;
}

bool column_ends_are_ordered(const std::byte* ends, std::uint32_t count, std::size_t limit, std::uint32_t& last) noexcept {
    std::uint32_t previous = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto raw = load<std::uint32_t>(ends + std::size_t{4} * i);
        const auto end = raw & ~kAbsent;
        if (end < previous || end > limit || ((raw & kAbsent) != 0 && end != previous)) return false;
        previous = end;
    }
    last = previous;
    return true;
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
    if (size < kBatchOverheadBytes || size > kBatchBytesMax || size % 8 != 0) return malformed("impossible batch length");
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
    std::memcpy(static_cast<void*>(&view.header_), bytes.data() + sizeof view.stamp_, sizeof view.header_);
    const BatchHeader& header = view.header_;

    const std::uint32_t count = header.event_count;
    if (count == 0 || count > kBatchEventsMax) return malformed("event count out of range");
    if (static_cast<std::uint8_t>(header.codec) > static_cast<std::uint8_t>(Codec::lz4))
        return Error(ErrorCode::not_supported, "unknown compression codec");
    if (static_cast<std::uint8_t>(header.lane) >= kLaneCount) return Error(ErrorCode::unknown_lane);
    if ((header.columns & ~kKnownColumns) != 0) return Error(ErrorCode::not_supported, "unknown batch column");
    if ((header.columns & 1u) == 0) return malformed("no payload positions");
    if (header.payload_bytes > kPayloadBytesMax) return malformed("uncompressed payloads over the limit");
    if (header.codec == Codec::none && header.payload_bytes != header.stored_payload_bytes)
        return malformed("stored length differs without compression");
    const std::size_t used = kBatchOverheadBytes + std::size_t{header.columns_bytes} + header.stored_payload_bytes;
    if (header.columns_bytes % 8 != 0 || detail::padded(used) != size) return malformed("section lengths disagree");

    std::size_t at = kBatchOverheadBytes;
    const std::size_t columns_end = at + header.columns_bytes;
    for (std::uint16_t index = 0; index < kColumnCount; ++index) {
        if ((header.columns >> index & 1u) == 0) continue;
        const auto shape = kShapes[index];
        const std::size_t fixed = detail::fixed_part_bytes(shape, count);
        if (fixed > columns_end - at) return malformed("a column passes the end of the columns");
        view.column_at_[index] = static_cast<std::uint32_t>(at);
        at += fixed;
        if (shape.fixed_bytes != 0) continue;
        std::uint32_t last = 0;
        if (!column_ends_are_ordered(bytes.data() + view.column_at_[index], count, columns_end - at, last))
            return malformed("end positions of a column are out of order");
        at += detail::padded(last);
        if (at > columns_end) return malformed("a column passes the end of the columns");
    }
    if (at != columns_end) return malformed("the columns are shorter than declared");
    if (!ends_are_ordered(bytes.data() + view.column_at_[0], count, header.payload_bytes))
        return malformed("payload positions are out of order");
    if (view.has(Column::headers)) {
        for (std::uint32_t i = 0; i < count; ++i)
            if (!is_header_list(view.event(i, {}).headers)) return malformed("a header list is broken");
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
    return bytes_.subspan(kBatchOverheadBytes + header_.columns_bytes, header_.stored_payload_bytes);
}

std::span<const std::byte> BatchView::column(Column column) const noexcept {
    const auto index = static_cast<std::size_t>(column);
    if (!has(column)) return {};
    const auto shape = kShapes[index];
    const std::size_t fixed = detail::fixed_part_bytes(shape, header_.event_count);
    const auto from = bytes_.subspan(column_at_[index]);
    if (shape.fixed_bytes != 0) return from.first(fixed);
    const auto last = load<std::uint32_t>(from.data() + std::size_t{4} * (header_.event_count - 1)) & ~kAbsent;
    return from.first(fixed + last);
}

std::span<const std::byte> BatchView::payload(std::uint32_t index,
                                              std::span<const std::byte> payloads) const noexcept {
    const std::byte* ends = bytes_.data() + column_at_[0];
    const std::uint32_t begin = index == 0 ? 0 : load<std::uint32_t>(ends + std::size_t{4} * (index - 1));
    const auto end = load<std::uint32_t>(ends + std::size_t{4} * index);
    if (payloads.size() < end) return {};
    return payloads.subspan(begin, end - begin);
}

EventView BatchView::event(std::uint32_t index, std::span<const std::byte> payloads) const noexcept {
    const auto fixed = [&](Column column, auto otherwise) {
        using T = decltype(otherwise);
        if (!has(column)) return otherwise;
        return load<T>(bytes_.data() + column_at_[static_cast<std::size_t>(column)] + sizeof(T) * index);
    };
    const auto variable = [&](Column column) -> std::optional<std::span<const std::byte>> {
        if (!has(column)) return std::nullopt;
        const std::byte* ends = bytes_.data() + column_at_[static_cast<std::size_t>(column)];
        const auto end = load<std::uint32_t>(ends + std::size_t{4} * index);
        if ((end & kAbsent) != 0) return std::nullopt;
        const auto begin = index == 0 ? 0 : load<std::uint32_t>(ends + std::size_t{4} * (index - 1)) & ~kAbsent;
        const std::byte* blob = ends + detail::fixed_part_bytes({0}, header_.event_count);
        return std::span<const std::byte>(blob + begin, end - begin);
    };
    const auto text = [&](Column column) -> std::string_view {
        const auto bytes = variable(column);
        if (!bytes) return {};
        return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
    };

    EventView event;
    event.offset = Offset(stamp_.base_offset + index);
    event.lane = header_.lane;
    event.timestamp = EpochNanos(fixed(Column::timestamps, header_.created_at));
    event.append_time = EpochNanos(stamp_.append_time);
    event.payload = payload(index, payloads);
    if (header_.columns == 1) return event;  // nothing but payloads

    event.key = variable(Column::keys);
    event.headers = variable(Column::headers).value_or(std::span<const std::byte>{});
    if (has(Column::message_ids))
        event.message_id.emplace(bytes_.data() + column_at_[2] + std::size_t{16} * index, std::size_t{16});
    event.type = text(Column::types);
    event.correlation_id = text(Column::correlation_ids);
    event.source = text(Column::sources);
    event.destination = text(Column::destinations);
    event.schema_version = fixed(Column::schema_versions, std::uint32_t{0});
    event.time_to_live_ms = fixed(Column::time_to_live, std::uint32_t{0});
    event.deliver_at = EpochNanos(fixed(Column::deliver_at, std::int64_t{0}));
    return event;
}

void stamp_batch(std::span<std::byte> batch, Offset base, EpochNanos append_time, std::uint64_t arrival,
                 std::uint32_t epoch) noexcept {
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
