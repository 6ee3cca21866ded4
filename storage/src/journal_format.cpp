#include "journal_format.hpp"

#include <casc/types/assert.hpp>
#include <casc/wire/crc32c.hpp>

#include <charconv>
#include <cstdio>
#include <cstring>

namespace casc::storage::detail {

namespace {

constexpr std::string_view kNamePrefix = "journal-";
constexpr std::string_view kNameSuffix = ".seg";
constexpr std::size_t kNameDigits = 6;
constexpr std::size_t kHeaderCrcCovers = offsetof(EntryHeader, header_crc);

}  // namespace

std::uint32_t write_header(EntryHeader header, std::span<std::byte> entry) {
    CASC_ASSERT(entry.size() >= entry_bytes(header.body_bytes), entry.size(), header.body_bytes);
    header.magic = kEntryMagic;
    header.header_crc = wire::crc32c(std::as_bytes(std::span(&header, 1)).first(kHeaderCrcCovers));
    std::memcpy(entry.data(), &header, sizeof header);
    return header.header_crc;
}

std::optional<EntryHeader> read_header(std::span<const std::byte> bytes) {
    if (bytes.size() < kEntryHeaderBytes) return std::nullopt;
    EntryHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.magic != kEntryMagic) return std::nullopt;
    if (header.header_crc != wire::crc32c(bytes.first(kHeaderCrcCovers))) return std::nullopt;
    return header;
}

std::string segment_name(unsigned number) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%06u", number);
    return std::string(kNamePrefix) + digits + std::string(kNameSuffix);
}

std::optional<unsigned> segment_number(std::string_view name) {
    if (!name.starts_with(kNamePrefix) || !name.ends_with(kNameSuffix)) return std::nullopt;
    if (name.size() < kNamePrefix.size() + kNameDigits + kNameSuffix.size()) return std::nullopt;
    name.remove_prefix(kNamePrefix.size());
    name.remove_suffix(kNameSuffix.size());
    unsigned number = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (failed != std::errc{} || end != name.data() + name.size()) return std::nullopt;
    return number;
}

}  // namespace casc::storage::detail
