#pragma once
// gpu/src/tokenizer/json_tokenizer.hpp: the tokeniser that a tokenizer.json describes.

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/token_texts.hpp"
#include "tokenizer/tokenizer_file.hpp"
#include "tokenizer/word_encoder.hpp"

#include <casc/gpu/tokenizer.hpp>

#include <memory>

namespace casc::gpu {

// What the text of a tokenizer.json describes. Fails with: model_unusable.
[[nodiscard]] Result<std::shared_ptr<const Tokenizer>> parse_tokenizer_json(std::string_view json);

// A text goes through these, in this order:
//   added tokens that are looked for in the text as it is,
//   in what is between them: the normalizer, then added tokens that are looked for behind it,
//   in what is between those: words, and of each its tokens.
//
// Thread: any.
class JsonTokenizer final : public Tokenizer {
public:
    JsonTokenizer(const TokenizerFile& file, WordEncoder encoder);

    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text,
                                                      SpecialTokens special) const override;
    [[nodiscard]] std::string_view bytes_of(TokenId token) const noexcept override {
        return texts_[token];
    }
    [[nodiscard]] std::size_t vocabulary_size() const noexcept override { return texts_.size(); }
    [[nodiscard]] bool drops_first_space() const noexcept override { return drops_first_space_; }

private:
    using Tokens = std::vector<TokenId>;
    void append_raw(std::string_view text, SpecialTokens special, Tokens& out) const;
    void append_normalized(std::string_view text, bool at_start, SpecialTokens special,
                           Tokens& out) const;
    void append_words(std::string_view part, Tokens& out) const;

    const NormalizerSteps normalizer_;
    const WordSteps words_;
    const bool drops_first_space_;
    const WordEncoder encoder_;
    const AddedTokenFinder raw_added_;
    const AddedTokenFinder normalized_added_;
    const Tokens before_;
    const Tokens behind_;
    const TokenTexts texts_;
};

}  // namespace casc::gpu
