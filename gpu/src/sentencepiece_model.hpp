#pragma once
// gpu/src/sentencepiece_model.hpp: what a tokenizer.model says, and whether libsentencepiece may be
// given it.
//
// The library trusts what it has parsed: it follows the offsets of the table of replacements
// (precompiled_charsmap, a double array of Darts-clone) wherever they lead. So everything is looked
// at here first. The message is ModelProto of sentencepiece_model.proto.

#include "token_texts.hpp"

#include <casc/types/result.hpp>

#include <string_view>

namespace casc::gpu {

struct SentencePieceModel {
    TokenTexts texts;                // what each piece is in a text
    bool drops_first_space = false;  // encoding puts one there, or takes all away

    // Fails with: model_unusable.
    [[nodiscard]] static Result<SentencePieceModel> parse(std::string_view model);
};

// The table of replacements. Fails with: model_unusable.
[[nodiscard]] Result<void> check_replacements(std::string_view table);

}  // namespace casc::gpu
