#include "tokenizer/vocabulary.hpp"

namespace casc::gpu {

bool Vocabulary::add(std::string_view text, TokenId token) {
    if (token >= kVocabularyTokensMax || text_of(token) != nullptr) return false;
    const auto [place, is_new] = tokens_.emplace(text, token);
    if (!is_new) return false;
    if (token >= texts_.size()) texts_.resize(token + 1);
    texts_[token] = &place->first;
    return true;
}

TokenId Vocabulary::find(std::string_view text) const noexcept {
    const auto found = tokens_.find(text);
    return found == tokens_.end() ? kNoToken : found->second;
}

const std::string* Vocabulary::text_of(TokenId token) const noexcept {
    return token < texts_.size() ? texts_[token] : nullptr;
}

}  // namespace casc::gpu
