#include "entry_records.hpp"

#include <casc/wire/crc32c.hpp>

#include <cstddef>

namespace casc::storage {

std::uint64_t Record::number() const {
    std::uint64_t number = 0;
    if (value.size() == sizeof number) std::memcpy(&number, value.data(), sizeof number);
    return number;
}

bool RecordCursor::next(Record& record) {
    if (rest_.empty()) return false;
    ok_ = false;  // until this record has proven to be whole
    if (rest_.size() < sizeof(RecordHeader)) return false;
    std::memcpy(&record.header, rest_.data(), sizeof(RecordHeader));
    const auto& header = record.header;
    const std::size_t bytes = record_bytes(header.key_bytes, header.value_bytes);
    if (bytes > rest_.size()) return false;
    const bool is_batch = header.kind == RecordKind::batch;
    const bool has_number = header.kind == RecordKind::trim || header.kind == RecordKind::reserve;
    if (header.kind < RecordKind::batch || header.kind > RecordKind::reserve) return false;
    if (is_batch && (header.value_bytes < wire::kBatchOverheadBytes || header.key_bytes != 0))
        return false;
    if (is_batch && header.table >= kRetentionClassCount) return false;
    if (has_number && header.value_bytes != sizeof(std::uint64_t)) return false;

    const std::byte* const payload = rest_.data() + sizeof(RecordHeader);
    record.key = {reinterpret_cast<const char*>(payload), header.key_bytes};
    record.value = {payload + header.key_bytes, header.value_bytes};
    rest_ = rest_.subspan(bytes);
    ok_ = true;
    return true;
}

std::uint32_t record_crc(std::span<const std::byte> record, bool is_batch, std::uint32_t seed) {
    const std::size_t covered = sizeof(RecordHeader) + sizeof(wire::BatchStamp);
    return wire::crc32c(is_batch ? record.first(covered) : record, seed);
}

bool stamp_matches(std::span<const std::byte> batch, std::uint64_t base) {
    if (batch.size() < wire::kBatchOverheadBytes) return false;
    const auto stamp = peek_stamp(batch);
    return stamp.magic == wire::kBatchMagic && stamp.batch_bytes == batch.size() &&
           stamp.base_offset == base &&
           stamp.stamp_crc == wire::crc32c(batch.first(offsetof(wire::BatchStamp, stamp_crc)));
}

bool check_entry_body(std::span<const std::byte> body, std::uint32_t body_crc) {
    RecordCursor cursor(body);
    Record record;
    std::uint32_t crc = 0;
    std::size_t at = 0;
    while (cursor.next(record)) {
        const bool is_batch = record.header.kind == RecordKind::batch;
        const std::size_t bytes = record_bytes(record.header.key_bytes, record.header.value_bytes);
        crc = record_crc(body.subspan(at, bytes), is_batch, crc);
        at += bytes;
        if (!is_batch) continue;
        const auto stamp = peek_stamp(record.value);
        if (stamp.batch_bytes != record.value.size()) return false;
        if (stamp.body_crc != wire::crc32c(record.value.subspan(sizeof(wire::BatchStamp))))
            return false;
    }
    return cursor.ok() && crc == body_crc;
}

}  // namespace casc::storage
