#include "tokenizer/pair_merger.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

namespace casc::gpu {
namespace {

// Up to here looking through all neighbours for the first rule beats keeping them in a heap.
constexpr std::size_t kShortTokens = 24;

std::uint64_t mixed_pair(TokenId left, TokenId right) noexcept {
    std::uint64_t key = std::uint64_t{left} << 32 | right;
    key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9;
    key = (key ^ key >> 27) * 0x94D049BB133111EB;
    return key ^ key >> 31;
}

}  // namespace

// ---- the rules ----------------------------------------------------------------------------------

PairMerger::PairMerger(std::span<const PairRule> rules)
    : slots_(std::bit_ceil(2 * rules.size() + 1)) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const PairRule& rule = rules[i];
        slots_[slot_of(rule.left, rule.right)] = {
            rule.left, rule.right, {static_cast<std::uint32_t>(i), rule.merged}};
    }
}

// Where the pair is, or would be put.
std::size_t PairMerger::slot_of(TokenId left, TokenId right) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = mixed_pair(left, right) & mask;
    const auto is_other = [&](const Slot& slot) {
        return slot.merged.rank != kNone && (slot.left != left || slot.right != right);
    };
    while (is_other(slots_[at]))
        at = (at + 1) & mask;
    return at;
}

PairMerger::Merged PairMerger::find(TokenId left, TokenId right) const noexcept {
    return slots_[slot_of(left, right)].merged;
}

// ---- short words --------------------------------------------------------------------------------

std::size_t PairMerger::merge_short(std::span<TokenId> tokens) const {
    // merges[i] is of the tokens i and i + 1.
    std::array<Merged, kShortTokens> merges;
    std::size_t count = tokens.size();
    const auto look = [&](std::size_t i) {
        merges[i] = i + 1 < count ? find(tokens[i], tokens[i + 1]) : Merged{};
    };
    for (std::size_t i = 0; i < count; ++i)
        look(i);
    for (;;) {
        const auto looked = std::span(merges).first(count);
        const auto best = std::ranges::min_element(looked, {}, &Merged::rank);
        if (best->rank == kNone) return count;
        const auto at = static_cast<std::size_t>(best - looked.begin());
        tokens[at] = best->token;
        // The one behind it goes, and with it a place for a pair.
        std::ranges::copy(tokens.first(count).subspan(at + 2), tokens.subspan(at + 1).begin());
        std::ranges::copy(looked.subspan(at + 1), looked.subspan(at).begin());
        --count;
        look(at);
        if (at > 0) look(at - 1);
    }
}

// ---- long ones ----------------------------------------------------------------------------------

// The tokens as a list, so that two become one without moving the others, and a heap of pairs. What
// is in the heap is not taken out when one of its tokens is merged with another: it is recognised
// when it comes up.
class PairMerger::LongWord {
public:
    LongWord(const PairMerger& merger, std::span<const TokenId> tokens) : merger_(merger) {
        nodes_.reserve(tokens.size());
        for (std::uint32_t i = 0; i < tokens.size(); ++i)
            nodes_.push_back({tokens[i], i - 1, i + 1});
        nodes_.back().next = kNone;
        for (std::uint32_t i = 0; i < nodes_.size(); ++i)
            if (const auto pair = pair_at(i)) heap_.push_back(*pair);
        std::ranges::make_heap(heap_, comes_later);
    }

    void merge() {
        while (!heap_.empty()) {
            std::ranges::pop_heap(heap_, comes_later);
            const Pair pair = heap_.back();
            heap_.pop_back();
            if (is_still_there(pair)) unite(pair);
        }
    }
    // The tokens that are left, over those that were given.
    void write(std::vector<TokenId>& tokens, std::size_t from) const {
        tokens.resize(from);
        for (std::uint32_t at = 0; at != kNone; at = nodes_[at].next)
            tokens.push_back(nodes_[at].token);
    }

private:
    struct Node {
        TokenId token;  // kNoToken: it was merged into the one before
        std::uint32_t previous;
        std::uint32_t next;
    };
    struct Pair {
        std::uint32_t at;  // of its first
        TokenId left;
        TokenId right;
        Merged merged;
    };
    static bool comes_later(const Pair& a, const Pair& b) noexcept {
        return a.merged.rank != b.merged.rank ? a.merged.rank > b.merged.rank : a.at > b.at;
    }

    [[nodiscard]] std::optional<Pair> pair_at(std::uint32_t at) const noexcept {
        const Node& node = nodes_[at];
        if (node.next == kNone) return std::nullopt;
        const TokenId right = nodes_[node.next].token;
        const Merged merged = merger_.find(node.token, right);
        if (merged.rank == kNone) return std::nullopt;
        return Pair{at, node.token, right, merged};
    }
    [[nodiscard]] bool is_still_there(const Pair& pair) const noexcept {
        const Node& node = nodes_[pair.at];
        return node.token == pair.left && node.next != kNone &&
               nodes_[node.next].token == pair.right;
    }
    void unite(const Pair& pair) {
        Node& node = nodes_[pair.at];
        Node& gone = nodes_[node.next];
        node.token = pair.merged.token;
        node.next = gone.next;
        gone.token = kNoToken;
        if (node.next != kNone) nodes_[node.next].previous = pair.at;
        push(pair.at);
        if (node.previous != kNone) push(node.previous);
    }
    void push(std::uint32_t at) {
        const auto pair = pair_at(at);
        if (!pair) return;
        heap_.push_back(*pair);
        std::ranges::push_heap(heap_, comes_later);
    }

    const PairMerger& merger_;
    std::vector<Node> nodes_;
    std::vector<Pair> heap_;
};

void PairMerger::merge(std::vector<TokenId>& tokens, std::size_t from) const {
    const std::span<TokenId> word = std::span(tokens).subspan(from);
    if (word.size() < 2) return;
    if (word.size() <= kShortTokens) return tokens.resize(from + merge_short(word));
    LongWord list(*this, word);
    list.merge();
    list.write(tokens, from);
}

}  // namespace casc::gpu
