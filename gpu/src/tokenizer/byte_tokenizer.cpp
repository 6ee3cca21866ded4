#include "tokenizer/characters.hpp"

#include <casc/gpu/byte_tokenizer.hpp>

#include <algorithm>

namespace casc::gpu {

ByteTokenizer::ByteTokenizer(std::size_t vocabulary_size) : size_(vocabulary_size) {
    for (unsigned byte = 0; byte < 256; ++byte)
        bytes_.push_back(static_cast<char>(byte));
}

Result<std::vector<TokenId>> ByteTokenizer::encode(std::string_view text, SpecialTokens) const {
    if (find_not_utf8(text) != text.npos)
        return Error(ErrorCode::invalid_request, "the prompt is not UTF-8");
    std::vector<TokenId> tokens;
    tokens.reserve(text.size());
    for (const char byte : text)
        tokens.push_back(static_cast<unsigned char>(byte) % static_cast<TokenId>(size_));
    return tokens;
}

std::string_view ByteTokenizer::bytes_of(TokenId token) const noexcept {
    return token < std::min(size_, bytes_.size()) ? std::string_view(bytes_).substr(token, 1)
                                                  : std::string_view{};
}

}  // namespace casc::gpu
