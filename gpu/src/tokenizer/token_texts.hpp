#pragma once
// gpu/src/tokenizer/token_texts.hpp: what each token of a vocabulary adds to a text.

#include <casc/gpu/token.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

// All in one block, since a vocabulary has more than a hundred thousand and most are short.
//
// Thread: any, while nobody appends.
class TokenTexts {
public:
    // Of the next token, from 0 on.
    void append(std::string_view bytes) {
        bytes_.append(bytes);
        ends_.push_back(bytes_.size());
    }
    // Nothing, for one that is not there.
    [[nodiscard]] std::string_view operator[](TokenId token) const noexcept {
        if (token >= ends_.size()) return {};
        const std::size_t begin = token == 0 ? 0 : ends_[token - 1];
        return std::string_view(bytes_).substr(begin, ends_[token] - begin);
    }
    [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }

private:
    std::string bytes_;
    std::vector<std::size_t> ends_;
};

}  // namespace casc::gpu
