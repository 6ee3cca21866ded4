#pragma once
// casc/gpu/tokenizer.hpp: text to tokens and back, as the model was trained on it.
//
//   CASC_TRY(const auto tokenizer, open_tokenizer(folder));
//   CASC_TRY(const auto prompt,
//            tokenizer->encode("The capital of France is", SpecialTokens::around));

#include <casc/gpu/token.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

// Special tokens control a model: where a text begins and ends, whose turn it is. Two kinds of
// others are no special ones and are found in every text as they are spelled: of a tokenizer.json,
// added tokens that it does not call special; of a tokenizer.model, pieces that are user-defined.
enum class SpecialTokens : std::uint8_t {
    plain,   // none; what spells one is a text like any other
    around,  // those which the model wants around a text, such as <s> before it; the text is as in
             // plain: for what strangers write
    parsed,  // these, and those that the text spells: for templates of chats. A tokenizer.model
             // knows no such: it is as around
};

// Thread: any.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;

    // Fails with: invalid_request (the text is not UTF-8, or is larger than any context, or there
    // is no memory for it).
    [[nodiscard]] virtual Result<std::vector<TokenId>> encode(std::string_view text,
                                                              SpecialTokens special) const = 0;
    // What a token adds to a text: bytes, and not always a whole character. Nothing for special
    // tokens and for those that the vocabulary does not have. Valid as long as the tokeniser.
    [[nodiscard]] virtual std::string_view bytes_of(TokenId token) const noexcept = 0;
    // One more than the largest token.
    [[nodiscard]] virtual std::size_t vocabulary_size() const noexcept = 0;
    // Whether the space that a text's first token begins with, if it does, was put there by
    // encode().
    [[nodiscard]] virtual bool drops_first_space() const noexcept { return false; }

protected:
    Tokenizer() = default;
};

// The tokeniser in a model's folder: tokenizer.json, else tokenizer.model (without an
// added_tokens.json beside it). Fails with: model_unusable (there is none, or it cannot be read, or
// is damaged, or it asks for something that casc does not know).
[[nodiscard]] Result<std::shared_ptr<const Tokenizer>> open_tokenizer(
    const std::filesystem::path& folder);

}  // namespace casc::gpu
