#pragma once
// gpu/src/tokenizer/unicode_tables.hpp: what the Unicode Character Database says, as far as
// tokenisers ask. unicode_tables.cpp is written by gpu/tools/make_unicode_tables.py.

#include <span>

namespace casc::gpu {

// All tables are in the order of their first members, and no two ranges of one overlap.
struct CharacterRange {
    char32_t first;
    char32_t last;
};
// Where a mark goes among several on the same letter (Canonical_Combining_Class), not 0.
struct OrderRange {
    char32_t first;
    char32_t last;
    unsigned char order;
};
// What a character is written as in full (Decomposition_Mapping), one step of it.
struct CharacterParts {
    char32_t whole;
    char32_t first;
    char32_t second;  // 0: it is but another code for `first`
    bool composes;    // the parts become the whole again; some are kept apart
};

[[nodiscard]] std::span<const CharacterRange> letter_ranges() noexcept;  // L
[[nodiscard]] std::span<const CharacterRange> number_ranges() noexcept;  // N
[[nodiscard]] std::span<const OrderRange> order_ranges() noexcept;
[[nodiscard]] std::span<const CharacterParts> character_parts() noexcept;

}  // namespace casc::gpu
