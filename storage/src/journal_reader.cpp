#include "journal_reader.hpp"

#include <algorithm>

namespace casc::storage::detail {

namespace {

constexpr std::uint64_t kWindowBytes = 1_MiB;

}  // namespace

Result<std::span<const std::byte>> SegmentReader::at(std::uint64_t position, std::uint64_t wanted) {
    if (position >= bytes()) return std::span<const std::byte>{};
    wanted = std::min(wanted, bytes() - position);
    const bool inside =
        position >= window_position_ && position + wanted <= window_position_ + window_bytes_;
    if (!inside) {
        const auto window_bytes = std::min(std::max(wanted, kWindowBytes), bytes() - position);
        if (window_.bytes().size() < window_bytes) window_ = AlignedMemory(window_bytes);
        window_bytes_ = 0;
        CASC_TRY(const auto got, file_->read(position, window_.bytes().first(window_bytes)));
        window_position_ = position;
        window_bytes_ = got;
        wanted = std::min<std::uint64_t>(wanted, got);
    }
    return std::span<const std::byte>(window_.bytes().subspan(position - window_position_, wanted));
}

Result<std::optional<SegmentReader::Entry>> SegmentReader::entry_at(std::uint64_t position) {
    CASC_TRY(const auto block, at(position, kBlockAlignment));
    const auto header = read_header(block);
    if (!header) return std::optional<Entry>{};
    CASC_TRY(const auto whole, at(position, entry_bytes(header->body_bytes)));
    if (whole.size() < entry_bytes(header->body_bytes)) return std::optional<Entry>{};
    return std::optional<Entry>{{*header, whole.subspan(kEntryHeaderBytes, header->body_bytes)}};
}

}  // namespace casc::storage::detail
