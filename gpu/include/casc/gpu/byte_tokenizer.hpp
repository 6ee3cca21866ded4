#pragma once
// casc/gpu/byte_tokenizer.hpp: a tokeniser for models of random numbers (random_model.hpp), which
// have none.

#include <casc/gpu/tokenizer.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

// Tokens are bytes; the other tokens of a vocabulary have no text. Thread: any.
class ByteTokenizer final : public Tokenizer {
public:
    explicit ByteTokenizer(std::size_t vocabulary_size);
    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text,
                                                      SpecialTokens special) const override;
    [[nodiscard]] std::string_view bytes_of(TokenId token) const noexcept override;
    [[nodiscard]] std::size_t vocabulary_size() const noexcept override { return size_; }

private:
    std::size_t size_;
    std::string bytes_;
};

}  // namespace casc::gpu
