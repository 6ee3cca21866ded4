#pragma once
// gpu/src/tokenizer/pair_merger.hpp: byte pair encoding (Sennrich, Haddow, Birch 2016): of all
// neighbours that may become one token, those whose rule comes first become it, again and again.

#include <casc/gpu/token.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace casc::gpu {

struct PairRule {
    TokenId left = kNoToken;
    TokenId right = kNoToken;
    TokenId merged = kNoToken;
};

// Thread: any.
class PairMerger {
public:
    // In the order of the file, the one that is applied before all others first. Of two with the
    // same pair the later counts, as in the library that writes these files.
    explicit PairMerger(std::span<const PairRule> rules);

    // The tokens from `from` on, in place. Of equal neighbours the first ones come first.
    // O(n log n), also on a text that was made to take long: a million times the same letter is a
    // million entries of a heap. Words of a few letters never see one.
    void merge(std::vector<TokenId>& tokens, std::size_t from) const;

private:
    struct Merged {
        std::uint32_t rank = kNone;  // kNone: they do not merge
        TokenId token = kNoToken;
    };
    // A table with open addressing, at most half full: a rule is one line of cache away, and each
    // step of a word asks for two.
    struct Slot {
        TokenId left = kNoToken;
        TokenId right = kNoToken;
        Merged merged;
    };
    static constexpr std::uint32_t kNone = 0xFFFF'FFFF;

    class LongWord;
    [[nodiscard]] std::size_t slot_of(TokenId left, TokenId right) const noexcept;
    [[nodiscard]] Merged find(TokenId left, TokenId right) const noexcept;
    [[nodiscard]] std::size_t merge_short(std::span<TokenId> tokens) const;  // how many are left

    std::vector<Slot> slots_;  // a power of two of them
};

}  // namespace casc::gpu
