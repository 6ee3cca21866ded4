#pragma once
// storage/src/journal_format.hpp: one entry as bytes. Format: docs/storage_format.md, "Journal".
// Thread: any.

#include <casc/storage/journal.hpp>
#include <casc/types/units.hpp>

#include <bit>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace casc::storage::detail {

static_assert(std::endian::native == std::endian::little,
              "the formats are written as they lie in memory");
static_assert(offsetof(EntryHeader, generation) == 8 && offsetof(EntryHeader, record_count) == 12);
static_assert(offsetof(EntryHeader, sequence) == 16 &&
              offsetof(EntryHeader, durable_through) == 24);
static_assert(offsetof(EntryHeader, body_bytes) == 32 && offsetof(EntryHeader, body_crc) == 36);
static_assert(offsetof(EntryHeader, previous_crc) == 40 && offsetof(EntryHeader, flags) == 44);
static_assert(offsetof(EntryHeader, written_at) == 48 && offsetof(EntryHeader, salt) == 56);
static_assert(offsetof(EntryHeader, header_crc) == 60);

inline constexpr std::uint64_t kEntryMagic = 0x314C4E4A43534143;  // "CASCJNL1"
inline constexpr std::uint32_t kEntryMarks = kEntryOpeningMark | kEntryClosingMark;

// What an entry with such a body takes on disk.
[[nodiscard]] constexpr std::uint64_t entry_bytes(std::uint64_t body_bytes) {
    return align_up<std::uint64_t>(kEntryHeaderBytes + body_bytes, kBlockAlignment);
}

// Fills in magic and header_crc and writes the header to the start of `entry`. Returns header_crc.
std::uint32_t write_header(EntryHeader header, std::span<std::byte> entry);

// The header at the start of `bytes`, when magic and header_crc are right. Says nothing about the
// body.
[[nodiscard]] std::optional<EntryHeader> read_header(std::span<const std::byte> bytes);

// journal-000017.seg <-> 17
[[nodiscard]] std::string segment_name(unsigned number);
[[nodiscard]] std::optional<unsigned> segment_number(std::string_view name);

}  // namespace casc::storage::detail
