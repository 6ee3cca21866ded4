#pragma once
// gpu/src/tokenizer/byte_alphabet.hpp: how vocabularies of byte-level tokenisers write bytes, since
// JSON holds only text: bytes that can be seen in Latin-1 as that character, the other 68 as U+0100
// and on, in order (GPT-2's bytes_to_unicode).

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace casc::gpu {

// The bytes that a token of such a vocabulary stands for; nothing: it is not written in the
// alphabet.
[[nodiscard]] std::optional<std::string> bytes_from_alphabet(std::string_view token);

}  // namespace casc::gpu
