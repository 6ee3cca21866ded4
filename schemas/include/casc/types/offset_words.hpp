#pragma once
// casc/types/offset_words.hpp: offsets as bits, 64 neighbours to a word, as a Lease and a Settle
// have them.

#include <cstdint>

namespace casc {

// The offsets that share a word; the lowest bit is the first one.
inline constexpr std::uint64_t kWordOffsets = 64;

[[nodiscard]] constexpr std::uint64_t word_base(std::uint64_t offset) noexcept {
    return offset & ~(kWordOffsets - 1);
}

[[nodiscard]] constexpr std::uint64_t word_bit(std::uint64_t offset) noexcept {
    return std::uint64_t{1} << offset % kWordOffsets;
}

// The bits of [first, end) in the word that begins at `base`; some of it must lie there.
[[nodiscard]] constexpr std::uint64_t word_mask(std::uint64_t base, std::uint64_t first,
                                                std::uint64_t end) noexcept {
    const std::uint64_t low = first <= base ? 0 : first - base;
    const std::uint64_t high = end - base >= kWordOffsets ? kWordOffsets : end - base;
    const std::uint64_t below_high =
        high == kWordOffsets ? ~std::uint64_t{0} : (std::uint64_t{1} << high) - 1;
    return below_high & ~((std::uint64_t{1} << low) - 1);
}

}  // namespace casc
