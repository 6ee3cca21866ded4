#include <casc/wire/tombstone.hpp>

#include <cstring>

namespace casc::wire {

std::uint32_t payload_bytes(const BatchView& batch, std::uint32_t index) noexcept {
    const std::byte* const ends = batch.column(Column::payload_ends).data();
    std::uint32_t first = 0;
    std::uint32_t end;
    std::memcpy(&end, ends + std::size_t{4} * index, sizeof end);
    if (index != 0) std::memcpy(&first, ends + std::size_t{4} * (index - 1), sizeof first);
    return end - first;
}

bool is_tombstone(const BatchView& batch, std::uint32_t index) noexcept {
    if (payload_bytes(batch, index) != 0) return false;
    const auto headers = batch.value(Column::headers, index);
    if (!headers) return false;
    HeaderCursor cursor(*headers);
    for (std::string_view name, value; cursor.next(name, value);)
        if (name == kTombstoneHeader) return true;
    return false;
}

}  // namespace casc::wire
