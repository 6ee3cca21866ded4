#pragma once
// gpu/src/tokenizer/word_pattern.hpp: how a text is cut into words before tokens are made of each,
// as the regular expressions of the published tokenisers say it. They are few, so each has a
// scanner; one that is not known is not guessed at.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace casc::gpu {

enum class WordPattern : std::uint8_t {
    gpt2,    // GPT-2's, and what "use_regex" of a ByteLevel means
    llama3,  // Llama 3's, which is cl100k's: three digits at most
    qwen2    // the same with one digit
};

// Nothing: casc has no scanner for it.
[[nodiscard]] std::optional<WordPattern> word_pattern_of(std::string_view regex) noexcept;

// The bytes of the first word of a text of UTF-8; at least one, unless the text is empty. Every
// text is words from its beginning to its end. Takes time in proportion to the word; where that
// ends in spaces, to all spaces there.
[[nodiscard]] std::size_t first_word_bytes(WordPattern pattern, std::string_view text) noexcept;

}  // namespace casc::gpu
