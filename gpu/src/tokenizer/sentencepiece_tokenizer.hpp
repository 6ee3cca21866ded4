#pragma once
// gpu/src/tokenizer/sentencepiece_tokenizer.hpp: the tokeniser of a tokenizer.model, which
// libsentencepiece runs.

#include <casc/gpu/tokenizer.hpp>
#include <casc/types/result.hpp>

#include <memory>
#include <string_view>

namespace casc::gpu {

// What the bytes of a tokenizer.model describe. Around a text is its token for the beginning of
// one, if it has that, and nothing behind it. The names of control tokens in a text are texts like
// any other, also with SpecialTokens::parsed: the library knows no other way. Pieces that are
// user-defined are found in every text.
//
// The bytes must not change meanwhile: the library gets them as they were checked.
// Fails with: model_unusable (also: casc was built without libsentencepiece).
[[nodiscard]] Result<std::shared_ptr<const Tokenizer>> parse_sentencepiece_model(
    std::string_view model);

}  // namespace casc::gpu
