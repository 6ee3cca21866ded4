#pragma once
// gpu/src/tokenizer/sentencepiece_model.hpp: what a tokenizer.model says, and whether
// libsentencepiece may be given it.
//
// The library trusts what it has parsed, so everything is looked at here first; the table of
// replacements in replacement_table.hpp. The message is ModelProto of sentencepiece_model.proto.

#include "tokenizer/token_texts.hpp"

#include <casc/types/result.hpp>

#include <cstddef>
#include <string_view>

namespace casc::gpu {

struct SentencePieceModel {
    TokenTexts texts;               // what each piece is in a text
    bool drops_first_space = true;  // encoding puts one there, or takes all away
    std::size_t expansion = 1;      // the most bytes that a byte of a text becomes before it is cut

    // Fails with: model_unusable.
    [[nodiscard]] static Result<SentencePieceModel> parse(std::string_view model);
};

}  // namespace casc::gpu
