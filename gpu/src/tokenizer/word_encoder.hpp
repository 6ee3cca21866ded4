#pragma once
// gpu/src/tokenizer/word_encoder.hpp: one word to tokens: what it is written with, then the rules.

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/pair_merger.hpp"
#include "tokenizer/tokenizer_file.hpp"
#include "tokenizer/vocabulary.hpp"

#include <casc/types/result.hpp>

#include <array>
#include <span>
#include <string_view>
#include <vector>

namespace casc::gpu {

// No word becomes a special token, whatever it spells and the rules say: only what was found as one
// (added_tokens.hpp) is one. So a text from a stranger controls nothing.
//
// Thread: any.
class WordEncoder {
public:
    // Fails with: model_unusable (there are characters that it could not write).
    [[nodiscard]] static Result<WordEncoder> make(const TokenizerModel& model, bool byte_level,
                                                  std::span<const AddedToken> added);

    // Appends the tokens of a word of UTF-8.
    void encode(std::string_view word, std::vector<TokenId>& out) const;

private:
    explicit WordEncoder(std::span<const PairRule> rules) : merger_(rules) {}

    void append_bytes(std::string_view word, std::vector<TokenId>& out) const;
    void append_characters(std::string_view word, std::vector<TokenId>& out) const;
    void append_unknown(std::vector<TokenId>& out, std::size_t from) const;

    PairMerger merger_;
    Vocabulary ordinary_;  // all that words can become; by their bytes, when byte_level_
    // The tokens of single bytes; when not byte_level_, of those that have no character.
    std::array<TokenId, 256> bytes_{};
    TokenId unknown_ = kNoToken;
    bool byte_level_ = false;
    bool falls_back_ = false;
    bool fuses_unknown_ = false;
    bool ignores_merges_ = false;
};

}  // namespace casc::gpu
