#include "entry_builder.hpp"

#include <casc/types/assert.hpp>

namespace casc::storage {

void EntryBuilder::start(JournalSequence sequence, BlockRef block) {
    entry_ = Entry{};
    entry_.sequence = sequence;
    entry_.block = std::move(block);
}

bool EntryBuilder::has_room(std::size_t bytes) const {
    return kEntryHeaderBytes + entry_.body_bytes + bytes <= entry_.block.bytes().size();
}

std::byte* EntryBuilder::open_record(const RecordHeader& header) {
    const std::size_t bytes = record_bytes(header.key_bytes, header.value_bytes);
    CASC_ASSERT(has_room(bytes), bytes, entry_.body_bytes, entry_.block.bytes().size());
    std::byte* const at = entry_.block.bytes().data() + kEntryHeaderBytes + entry_.body_bytes;
    std::memcpy(at, &header, sizeof header);
    // The padding is part of the last word, and the words in front of it are overwritten by the
    // caller.
    if (bytes > sizeof header) std::memset(at + bytes - kRecordAlignment, 0, kRecordAlignment);
    return at + sizeof header;
}

void EntryBuilder::close_record(const RecordHeader& header) {
    const std::size_t bytes = record_bytes(header.key_bytes, header.value_bytes);
    const auto record = entry_.block.bytes().subspan(kEntryHeaderBytes + entry_.body_bytes, bytes);
    entry_.body_crc = record_crc(record, header.kind == RecordKind::batch, entry_.body_crc);
    entry_.body_bytes += bytes;
    ++entry_.record_count;
}

std::span<const std::byte> EntryBuilder::add_batch(LogId log, RetentionClass retention,
                                                   std::span<const std::byte> batch, Offset base,
                                                   EpochNanos append_time, std::uint64_t arrival,
                                                   std::uint32_t epoch) {
    const RecordHeader header{.kind = RecordKind::batch,
                              .table = static_cast<std::uint8_t>(retention),
                              .key_bytes = 0,
                              .value_bytes = static_cast<std::uint32_t>(batch.size()),
                              .log = log.value()};
    std::byte* const copy = open_record(header);
    std::memcpy(copy, batch.data(), batch.size());
    wire::stamp_batch({copy, batch.size()}, base, append_time, arrival, epoch);
    close_record(header);
    return {copy, batch.size()};
}

void EntryBuilder::add(RecordKind kind, std::uint8_t table, LogId log, std::string_view key,
                       std::string_view value) {
    const RecordHeader header{.kind = kind,
                              .table = table,
                              .key_bytes = static_cast<std::uint16_t>(key.size()),
                              .value_bytes = static_cast<std::uint32_t>(value.size()),
                              .log = log.value()};
    std::byte* const at = open_record(header);
    if (!key.empty()) std::memcpy(at, key.data(), key.size());
    if (!value.empty()) std::memcpy(at + key.size(), value.data(), value.size());
    close_record(header);
}

Entry EntryBuilder::finish() {
    return std::exchange(entry_, Entry{});
}

}  // namespace casc::storage
