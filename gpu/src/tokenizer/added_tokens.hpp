#pragma once
// gpu/src/tokenizer/added_tokens.hpp: tokens that are found in a text as they are spelled, before
// the rest of it is made into tokens.

#include <casc/gpu/token.hpp>
#include <casc/gpu/tokenizer.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

struct AddedToken {
    std::string content;
    TokenId token = kNoToken;
    bool special = false;       // controls the model, and is no part of a text
    bool normalized = false;    // found in the normalized text
    bool strips_left = false;   // takes the spaces before it
    bool strips_right = false;  // those behind it
};

// Thread: any.
class AddedTokenFinder {
public:
    // `spelled` are the texts to look for, none of them empty.
    struct Spelled {
        std::string text;
        AddedToken token;
    };
    explicit AddedTokenFinder(std::vector<Spelled> spelled);

    struct Found {
        std::size_t begin = 0;
        std::size_t end = 0;
        TokenId token = kNoToken;
    };
    // The first at or behind `from`, the longest of those that begin there. A special one with
    // SpecialTokens::parsed alone: else what spells it is passed over as a whole, and is a text
    // like any other.
    [[nodiscard]] std::optional<Found> find(std::string_view text, std::size_t from,
                                            SpecialTokens special) const;

private:
    [[nodiscard]] const Spelled* longest_at(std::string_view text) const noexcept;

    std::vector<Spelled> spelled_;    // sorted by text
    std::array<bool, 256> begins_{};  // by a text's first byte
};

}  // namespace casc::gpu
