#pragma once
// gpu/src/tokenizer/byte_token.hpp: the tokens of single bytes in vocabularies of SentencePiece's
// kind: <0x41>.

#include <optional>
#include <string>
#include <string_view>

namespace casc::gpu {

inline constexpr std::string_view kHexDigits = "0123456789ABCDEF";

[[nodiscard]] inline std::string byte_token_text(unsigned char byte) {
    return {'<', '0', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15], '>'};
}

// Nothing: it is another token.
[[nodiscard]] inline std::optional<char> byte_of_token(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
    const std::size_t high = kHexDigits.find(text[3]);
    const std::size_t low = kHexDigits.find(text[4]);
    if (high == kHexDigits.npos || low == kHexDigits.npos) return std::nullopt;
    return static_cast<char>(high << 4 | low);
}

}  // namespace casc::gpu
