#include "tokenizer/characters.hpp"

#include "tokenizer/unicode_tables.hpp"

#include <casc/types/utf8.hpp>

#include <algorithm>

namespace casc::gpu {
namespace {

bool is_in(std::span<const CharacterRange> ranges, char32_t code) noexcept {
    const auto behind = std::ranges::upper_bound(ranges, code, {}, &CharacterRange::first);
    return behind != ranges.begin() && code <= std::prev(behind)->last;
}

bool is_ascii(char32_t code) noexcept {
    return code < 0x80;
}

}  // namespace

Character character_at(std::string_view text, std::size_t at) noexcept {
    if (at >= text.size()) return {};
    const auto byte = [&](std::size_t i) -> char32_t {
        return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
    };
    const auto rest = [&](std::size_t i) { return byte(i) & 0x3F; };
    const char32_t first = byte(0);
    if (first < 0x80) return {first, 1};
    if (first < 0xE0) return {(first & 0x1F) << 6 | rest(1), 2};
    if (first < 0xF0) return {(first & 0x0F) << 12 | rest(1) << 6 | rest(2), 3};
    return {(first & 0x07) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4};
}

bool is_letter(char32_t code) noexcept {
    if (is_ascii(code)) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
    return is_in(letter_ranges(), code);
}

bool is_number(char32_t code) noexcept {
    if (is_ascii(code)) return code >= '0' && code <= '9';
    return is_in(number_ranges(), code);
}

// The property White_Space.
bool is_space(char32_t code) noexcept {
    if (is_ascii(code)) return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

std::size_t find_not_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t bytes = utf8_length(text.substr(at, 4));
        if (bytes == 0) return at;
        at += bytes;
    }
    return std::string_view::npos;
}

}  // namespace casc::gpu
