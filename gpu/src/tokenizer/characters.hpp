#pragma once
// gpu/src/tokenizer/characters.hpp: characters of a text that is known to be UTF-8, and their kinds
// as the regular expressions of tokenisers tell them apart: \p{L}, \p{N} and \s.

#include <cstddef>
#include <string_view>

namespace casc::gpu {

struct Character {
    char32_t code = 0;
    std::size_t bytes = 0;  // 0: the text is at its end
};

// The one at `at`, where one begins.
[[nodiscard]] Character character_at(std::string_view text, std::size_t at) noexcept;
[[nodiscard]] bool is_letter(char32_t code) noexcept;
[[nodiscard]] bool is_number(char32_t code) noexcept;
[[nodiscard]] bool is_space(char32_t code) noexcept;

// Where in a text the first bytes are that are not UTF-8; npos: nowhere.
[[nodiscard]] std::size_t find_not_utf8(std::string_view text) noexcept;

}  // namespace casc::gpu
