#include "wire_columns.hpp"

#include <casc/types/assert.hpp>
#include <casc/wire/batch_slice.hpp>
#include <casc/wire/compression.hpp>
#include <casc/wire/crc32c.hpp>

#include <algorithm>
#include <cstring>

namespace casc::wire {
namespace {

using detail::kAbsent;
using detail::kShapes;
using detail::padded;

std::uint32_t load_end(const std::byte* ends, std::uint32_t index) noexcept {
    std::uint32_t end;
    std::memcpy(&end, ends + std::size_t{4} * index, sizeof end);
    return end;
}

// Where the values of the range lie among those of a column with end positions.
struct Extent {
    std::uint32_t begin;
    std::uint32_t end;
    [[nodiscard]] std::size_t bytes() const noexcept { return end - begin; }
};
Extent extent_of(const std::byte* ends, SliceRange range) noexcept {
    return {range.first == 0 ? 0 : load_end(ends, range.first - 1) & ~kAbsent,
            load_end(ends, range.end - 1) & ~kAbsent};
}

class SliceWriter {
public:
    explicit SliceWriter(std::byte* at) : at_(at) {}

    void copy(const std::byte* from, std::size_t bytes) noexcept {
        if (bytes != 0) std::memcpy(at_, from, bytes);
        pad(bytes);
    }
    // End positions, counted from where the slice begins.
    void ends(const std::byte* from, SliceRange range, std::uint32_t begin) noexcept {
        for (std::uint32_t i = range.first; i < range.end; ++i) {
            const std::uint32_t raw = load_end(from, i);
            const std::uint32_t moved = ((raw & ~kAbsent) - begin) | (raw & kAbsent);
            std::memcpy(at_ + std::size_t{4} * (i - range.first), &moved, sizeof moved);
        }
        pad(std::size_t{4} * (range.end - range.first));
    }
    [[nodiscard]] std::byte* at() const noexcept { return at_; }

private:
    void pad(std::size_t bytes) noexcept {
        const std::size_t whole = padded(bytes);
        std::memset(at_ + bytes, 0, whole - bytes);
        at_ += whole;
    }

    std::byte* at_;
};

bool is_ends(std::uint16_t column) noexcept {
    return kShapes[column].fixed_bytes == 0;
}

std::size_t columns_bytes(const BatchView& batch, SliceRange range) noexcept {
    std::size_t sum = 0;
    for (std::uint16_t index = 0; index < kColumnCount; ++index) {
        const auto column = static_cast<Column>(index);
        if (!batch.has(column)) continue;
        sum += detail::fixed_part_bytes(kShapes[index], range.end - range.first);
        if (is_ends(index)) sum += padded(extent_of(batch.column(column).data(), range).bytes());
    }
    return sum;
}

void write_columns(const BatchView& batch, SliceRange range, SliceWriter& writer) noexcept {
    for (std::uint16_t index = 0; index < kColumnCount; ++index) {
        const auto column = static_cast<Column>(index);
        if (!batch.has(column)) continue;
        const std::byte* from = batch.column(column).data();
        if (column == Column::payload_ends) {
            writer.ends(from, range, extent_of(from, range).begin);
        } else if (is_ends(index)) {
            const Extent extent = extent_of(from, range);
            writer.ends(from, range, extent.begin);
            const std::byte* values =
                from + detail::fixed_part_bytes(kShapes[index], batch.event_count());
            writer.copy(values + extent.begin, extent.bytes());
        } else {
            const std::size_t width = kShapes[index].fixed_bytes;
            writer.copy(from + width * range.first, width * (range.end - range.first));
        }
    }
}

}  // namespace

std::size_t slice_bytes(const BatchView& batch, SliceRange range) noexcept {
    const Extent payloads = extent_of(batch.column(Column::payload_ends).data(), range);
    return padded(kBatchOverheadBytes + columns_bytes(batch, range) + payloads.bytes());
}

void slice_batch(const BatchView& batch, std::span<const std::byte> payloads, SliceRange range,
                 std::span<std::byte> into) noexcept {
    CASC_ASSERT(range.first < range.end && range.end <= batch.event_count(), range.end);
    CASC_ASSERT(into.size() == slice_bytes(batch, range), into.size());
    const Extent extent = extent_of(batch.column(Column::payload_ends).data(), range);

    BatchHeader header = batch.header();
    header.base_sequence += range.first;
    header.event_count = range.end - range.first;
    header.columns_bytes = static_cast<std::uint32_t>(columns_bytes(batch, range));
    header.payload_bytes = static_cast<std::uint32_t>(extent.bytes());
    header.stored_payload_bytes = header.payload_bytes;
    header.codec = Codec::none;

    SliceWriter writer(into.data() + kBatchOverheadBytes);
    write_columns(batch, range, writer);
    writer.copy(payloads.data() + extent.begin, extent.bytes());
    CASC_ASSERT(writer.at() == into.data() + into.size(), into.size());

    BatchStamp stamp = batch.stamp();
    stamp.batch_bytes = static_cast<std::uint32_t>(into.size());
    std::memcpy(into.data() + sizeof stamp, &header, sizeof header);
    stamp.body_crc = crc32c(into.subspan(sizeof stamp));
    std::memcpy(into.data(), &stamp, sizeof stamp);
    stamp_batch(into, batch.base_offset() + OffsetDelta(range.first), EpochNanos(stamp.append_time),
                stamp.arrival, stamp.epoch);
}

void compress_batch(std::vector<std::byte>& bytes) {
    const auto batch = BatchView::parse(bytes);
    CASC_ASSERT(batch && batch->header().codec == Codec::none, bytes.size());
    std::vector<std::byte> packed;
    if (compress_lz4(batch->stored_payloads(), packed) == 0) return;
    BatchStamp stamp = batch->stamp();
    BatchHeader header = batch->header();
    const std::size_t payloads_at = kBatchOverheadBytes + header.columns_bytes;
    const std::size_t whole = padded(payloads_at + packed.size());
    if (whole >= bytes.size()) return;

    header.stored_payload_bytes = static_cast<std::uint32_t>(packed.size());
    header.codec = Codec::lz4;
    std::memcpy(bytes.data() + sizeof stamp, &header, sizeof header);
    std::memcpy(bytes.data() + payloads_at, packed.data(), packed.size());
    bytes.resize(whole);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(payloads_at + packed.size()), bytes.end(),
              std::byte{0});
    stamp.batch_bytes = static_cast<std::uint32_t>(whole);
    stamp.body_crc = crc32c(std::span<const std::byte>(bytes).subspan(sizeof stamp));
    std::memcpy(bytes.data(), &stamp, sizeof stamp);
    stamp_batch(bytes, Offset(stamp.base_offset), EpochNanos(stamp.append_time), stamp.arrival,
                stamp.epoch);
}

}  // namespace casc::wire
