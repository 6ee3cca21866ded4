#pragma once
// gpu/src/tokenizer/tokenizer_file.hpp: what a tokenizer.json says, read whole or refused.
//
// The format is that of Hugging Face's `tokenizers` library, and what a step means is what that
// library does. Of what a file may ask for, those things are understood which the published
// tokenisers of byte pair encoding use; everything else is refused with its place in the file: a
// tokeniser that leaves a step out gives a model other text than it was trained on, and nobody sees
// it.

#include "model/json_at.hpp"
#include "tokenizer/added_tokens.hpp"
#include "tokenizer/pair_merger.hpp"
#include "tokenizer/vocabulary.hpp"
#include "tokenizer/word_pattern.hpp"

#include <casc/types/result.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

// How a text is changed before anything else is done with it.
struct NormalizerSteps {
    bool composes = false;      // NFC
    bool marks_start = false;   // a mark before a text that is not empty
    bool marks_spaces = false;  // each space becomes one
};

// How it is cut into words.
struct WordSteps {
    enum class Prefix : std::uint8_t { never, first, always };
    bool byte_level = false;
    std::optional<WordPattern> pattern;  // byte level; nothing: all is one word
    bool marks_spaces = false;           // SentencePiece's kind (Metaspace)
    bool splits_at_marks = false;        // a word begins at each
    Prefix prefix = Prefix::never;       // a mark, or a space, before a text that begins with none
};

// How tokens become text. In one thing we differ: of the marks that a text's first token begins
// with, Metaspace takes all away, and we one: it is one that was put there.
struct DecoderSteps {
    bool byte_level = false;
    bool marks_are_spaces = false;
    bool joins_bytes = false;        // <0x41> is a byte
    bool drops_first_space = false;  // of a whole text
};

struct TokenizerModel {
    Vocabulary vocabulary;
    std::vector<PairRule> rules;
    TokenId unknown = kNoToken;   // for characters that are not in the vocabulary
    bool fuses_unknown = false;   // one for several in a row
    bool byte_fallback = false;   // or the tokens of their bytes
    bool ignores_merges = false;  // a word of the vocabulary is a token, whatever the rules say
};

struct TokenizerFile {
    std::vector<AddedToken> added;
    NormalizerSteps normalizer;
    WordSteps words;
    DecoderSteps decoder;
    TokenizerModel model;
    // Around a text.
    std::vector<TokenId> before;
    std::vector<TokenId> behind;

    [[nodiscard]] bool has(TokenId token) const noexcept;
    // Fails with: model_unusable.
    [[nodiscard]] static Result<TokenizerFile> parse(std::string_view json);
};

// Its parts. Each fails with: model_unusable.
[[nodiscard]] Result<TokenizerModel> read_bpe_model(const JsonAt& model);             // _model.cpp
[[nodiscard]] Result<std::vector<AddedToken>> read_added_tokens(const JsonAt& list);  // the same
[[nodiscard]] Result<NormalizerSteps> read_normalizer(const JsonAt& step);            // _steps.cpp
[[nodiscard]] Result<WordSteps> read_pre_tokenizer(const JsonAt& step);
[[nodiscard]] Result<DecoderSteps> read_decoder(const JsonAt& step);
[[nodiscard]] Result<void> read_post_processor(const JsonAt& step, TokenizerFile& file);

}  // namespace casc::gpu
