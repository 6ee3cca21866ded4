#pragma once
// gpu/src/tokenizer/vocabulary.hpp: texts and their tokens, both ways.

#include <casc/gpu/token.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace casc::gpu {

// No published vocabulary has more than a tenth of it.
inline constexpr std::size_t kVocabularyTokensMax = std::size_t{1} << 22;

// Thread: any, while nobody adds.
class Vocabulary {
public:
    Vocabulary() = default;
    ~Vocabulary() = default;
    Vocabulary(Vocabulary&&) noexcept = default;
    Vocabulary& operator=(Vocabulary&&) noexcept = default;
    Vocabulary(const Vocabulary&) = delete;  // a copy's texts would be those of the other
    Vocabulary& operator=(const Vocabulary&) = delete;

    // False, and nothing is added: one of them is there, or the token is beyond
    // kVocabularyTokensMax.
    [[nodiscard]] bool add(std::string_view text, TokenId token);
    // kNoToken: there is none.
    [[nodiscard]] TokenId find(std::string_view text) const noexcept;
    // Null: there is none.
    [[nodiscard]] const std::string* text_of(TokenId token) const noexcept;
    // One more than the largest token.
    [[nodiscard]] std::size_t size() const noexcept { return texts_.size(); }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };
    std::unordered_map<std::string, TokenId, Hash, std::equal_to<>> tokens_;
    std::vector<const std::string*> texts_;  // keys of the map, which never move
};

}  // namespace casc::gpu
