#pragma once
// gpu/src/sentencepiece_tokenizer.hpp: the tokeniser of a tokenizer.model, which libsentencepiece
// runs.

#include <casc/gpu/tokenizer.hpp>
#include <casc/types/result.hpp>

#include <memory>
#include <string_view>

namespace casc::gpu {

// What the bytes of a tokenizer.model describe. SpecialTokens::added is its token for the beginning
// of a text, if it has one, before it; the names of control tokens in a text are texts like any
// other. Fails with: model_unusable (also: casc was built without libsentencepiece).
[[nodiscard]] Result<std::shared_ptr<const Tokenizer>> parse_sentencepiece_model(
    std::string_view model);

}  // namespace casc::gpu
