#pragma once
// gpu/src/tokenizer/text_steps.hpp: from a text to the words that are encoded, as the steps of a
// tokenizer.json say (tokenizer_file.hpp).

#include "tokenizer/tokenizer_file.hpp"

#include <string>
#include <string_view>

namespace casc::gpu {

[[nodiscard]] std::string normalized(const NormalizerSteps& steps, std::string_view text);

// A part of a text, which knows whether it stands at its beginning, as it is cut into words.
[[nodiscard]] std::string prepared(const WordSteps& steps, std::string_view part, bool at_start);

// The bytes of the first word of such a part; at least one, unless it is empty.
[[nodiscard]] std::size_t first_word_bytes(const WordSteps& steps, std::string_view part) noexcept;

}  // namespace casc::gpu
