#pragma once
// casc/gpu/tokenizer.hpp: text to tokens and back, as the model was trained on it.
//
//   const auto tokenizer = CASC_TRY_VALUE(open_tokenizer(folder));
//   const auto prompt = tokenizer->encode("The capital of France is", SpecialTokens::added);

#include <casc/gpu/token.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

enum class SpecialTokens : std::uint8_t {
    added,  // those which the model wants around a text, such as <s> before it
    plain,  // none; what looks like one is a text like any other
};

// Thread: any.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;

    // Fails with: invalid_request (the text is not UTF-8).
    [[nodiscard]] virtual Result<std::vector<TokenId>> encode(std::string_view text,
                                                              SpecialTokens special) const = 0;
    // What a token adds to a text: bytes, and not always a whole character. Nothing for special
    // tokens and for those that the vocabulary does not have.
    [[nodiscard]] virtual std::string_view bytes_of(TokenId token) const noexcept = 0;
    // One more than the largest token.
    [[nodiscard]] virtual std::size_t vocabulary_size() const noexcept = 0;
    // Whether the space that a text's first token begins with, if it does, was put there by
    // encode().
    [[nodiscard]] virtual bool drops_first_space() const noexcept { return false; }

protected:
    Tokenizer() = default;
};

// The tokeniser in a model's folder: tokenizer.json, else tokenizer.model.
// Fails with: model_unusable (there is none, or it is damaged, or it asks for something that casc
// does not know).
[[nodiscard]] Result<std::shared_ptr<const Tokenizer>> open_tokenizer(
    const std::filesystem::path& folder);

}  // namespace casc::gpu
