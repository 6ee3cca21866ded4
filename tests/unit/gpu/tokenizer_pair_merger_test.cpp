// Byte pair encoding against the simplest way to do it, and texts that were made to take long.

#include "rounds.hpp"
#include "tokenizer/pair_merger.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

using namespace casc;
using namespace casc::gpu;

namespace {

using PairTokens = std::vector<TokenId>;

// The first of the rules that applies, where it applies first, until none does.
PairTokens merged_slowly(const std::vector<PairRule>& rules, PairTokens tokens) {
    const auto apply_one = [&] {
        for (const PairRule& rule : rules)
            for (std::size_t i = 0; i + 1 < tokens.size(); ++i)
                if (tokens[i] == rule.left && tokens[i + 1] == rule.right) {
                    tokens[i] = rule.merged;
                    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                    return true;
                }
        return false;
    };
    while (apply_one())
        continue;
    return tokens;
}

// Over a few letters, each made of two that were there before.
std::vector<PairRule> random_rules(std::mt19937& random, TokenId letters, std::size_t count) {
    std::vector<PairRule> rules;
    std::set<std::pair<TokenId, TokenId>> pairs;
    for (TokenId next = letters; rules.size() < count; ++next) {
        const PairRule rule{static_cast<TokenId>(random() % next),
                            static_cast<TokenId>(random() % next), next};
        if (pairs.emplace(rule.left, rule.right).second) rules.push_back(rule);
    }
    return rules;
}

// a a, then aa aa, and so on.
std::vector<PairRule> doubling_rules(std::size_t count) {
    std::vector<PairRule> rules;
    for (TokenId token = 0; token < count; ++token)
        rules.push_back({token, token, token + 1});
    return rules;
}

}  // namespace

TEST_CASE("gpu/tokenizer: pairs merge as if each rule were looked for in turn") {
    std::mt19937 random(7);
    for (int round = 0; round < 400; ++round) {
        const TokenId letters = 1 + random() % 4;
        auto rules = random_rules(random, letters, random() % 30);
        // A rule whose parts come later than itself is used when they are there again.
        if (round % 2 == 1) std::shuffle(rules.begin(), rules.end(), random);
        const PairMerger merger(rules);
        PairTokens word(random() % 120);
        std::ranges::generate(word, [&] { return static_cast<TokenId>(random() % letters); });
        const PairTokens expected = merged_slowly(rules, word);
        merger.merge(word, 0);
        CHECK(word == expected);
    }
}

TEST_CASE("gpu/tokenizer: what stands before a word is not merged with it") {
    const PairMerger merger(doubling_rules(3));
    PairTokens tokens{0, 0, 0, 0, 0};
    merger.merge(tokens, 3);
    CHECK(tokens == PairTokens{0, 0, 0, 1});
    merger.merge(tokens, 4);
    CHECK(tokens == PairTokens{0, 0, 0, 1});
    PairTokens none;
    merger.merge(none, 0);
    CHECK(none.empty());
}

TEST_CASE("gpu/tokenizer: of two rules for the same pair the later counts") {
    const std::vector<PairRule> rules{{0, 1, 2}, {1, 1, 3}, {0, 1, 4}};
    PairTokens tokens{0, 1, 1};
    PairMerger(rules).merge(tokens, 0);
    CHECK(tokens == PairTokens{0, 3});
}

TEST_CASE("gpu/tokenizer: without rules nothing merges") {
    PairTokens tokens(100, 5);
    PairMerger({}).merge(tokens, 0);
    CHECK(tokens == PairTokens(100, 5));
}

TEST_CASE("gpu/tokenizer: a million times the same letter is merged without a square of steps") {
    const PairMerger merger(doubling_rules(16));
    constexpr std::size_t kCount = test::quarter_under_tsan(16);
    PairTokens tokens(kCount * (1 << 16) + 5, 0);
    merger.merge(tokens, 0);
    PairTokens expected(kCount, 16);
    expected.insert(expected.end(), {2, 0});
    CHECK(tokens == expected);
    // One that grows by a letter at each step.
    std::vector<PairRule> growing;
    for (TokenId token = 0; token < 1000; ++token)
        growing.push_back({token, 0, token + 1});
    tokens.assign(kCount * (1 << 16), 0);
    PairMerger(growing).merge(tokens, 0);
    CHECK(tokens.size() == kCount * (1 << 15));  // the first rule takes all letters
}
