// Which tokens are drawn, and how often.

#include "philox.hpp"
#include "rounds.hpp"

#include <casc/gpu/sampling.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace casc::gpu {
namespace {

constexpr float kLogitNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinite = std::numeric_limits<float>::infinity();

std::vector<double> softmax_of(const std::vector<float>& logits, double temperature) {
    std::vector<double> shares;
    for (const float logit : logits)
        shares.push_back(std::exp(logit / temperature));
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    for (double& share : shares)
        share /= sum;
    return shares;
}

// How far `draws` tokens are from the shares they should have: about as much as there are tokens.
double chi_square(const std::vector<float>& logits, const Sampling& sampling,
                  const std::vector<double>& shares, std::uint32_t draws) {
    std::vector<double> count(logits.size());
    for (std::uint32_t i = 0; i < draws; ++i)
        ++count.at(sample(logits, sampling, draw_at(42, i)));
    double sum = 0;
    for (std::size_t token = 0; token < count.size(); ++token) {
        const double expected = shares[token] * draws;
        if (expected == 0) {
            CHECK(count[token] == 0);
        } else {
            sum += (count[token] - expected) * (count[token] - expected) / expected;
        }
    }
    return sum;
}

// All tokens that some draw leads to, of many that are evenly spread.
std::set<TokenId> reachable(const std::vector<float>& logits, const Sampling& sampling) {
    std::set<TokenId> tokens;
    for (int i = 0; i < 10'000; ++i)
        tokens.insert(sample(logits, sampling, i / 10'000.0));
    return tokens;
}

std::vector<float> random_logits(std::size_t count, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> logit(0, 4);
    std::vector<float> logits(count);
    for (float& value : logits)
        value = logit(random);
    return logits;
}

// And what the draws in the middle of each of the expected ones' shares lead to, however small
// those are.
std::set<TokenId> reachable_in_the_middle(const std::vector<float>& logits,
                                          const Sampling& sampling,
                                          const std::set<TokenId>& expected) {
    std::vector<float> kept;
    for (const TokenId token : expected)
        kept.push_back(logits[token]);
    std::set<TokenId> tokens = reachable(logits, sampling);
    double below = 0;
    for (const double share : softmax_of(kept, sampling.temperature)) {
        tokens.insert(sample(logits, sampling, below + share / 2));
        below += share;
    }
    return tokens;
}

// By sorting, as the ranks are defined.
std::set<TokenId> first_ranks(const std::vector<float>& logits, const Sampling& sampling) {
    std::vector<TokenId> tokens(logits.size());
    std::iota(tokens.begin(), tokens.end(), 0u);
    std::ranges::stable_sort(tokens, [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
    if (sampling.top_k != 0 && sampling.top_k < tokens.size()) tokens.resize(sampling.top_k);
    std::vector<float> kept;
    for (const TokenId token : tokens)
        kept.push_back(logits[token]);
    const auto shares = softmax_of(kept, sampling.temperature);
    std::set<TokenId> first;
    double sum = 0;
    for (std::size_t i = 0; i < tokens.size() && sum < sampling.top_p; ++i) {
        first.insert(tokens[i]);
        sum += shares[i];
    }
    return first;
}

}  // namespace

// ---- who ----------------------------------------------------------------------------------------

TEST_CASE(
    "gpu/sampling: without temperature it is the most likely token, of equal ones the lower") {
    CHECK(sample(std::vector<float>{1, 3, 2}, {}, 0.9) == 1);
    CHECK(sample(std::vector<float>{1, 3, 3, 3}, {}, 0.9) == 1);
    CHECK(sample(std::vector<float>{-0.0f, 0.0f}, {}, 0.9) == 0);
    CHECK(sample(std::vector<float>{-7}, {}, 0) == 0);
    CHECK(sample(std::vector<float>{-kInfinite, -1e30f}, {}, 0) == 1);
    CHECK(sample(std::vector<float>{0, kInfinite, 0}, {}, 0) == 1);
}

TEST_CASE("gpu/sampling: logits that are none are no token, with and without temperature") {
    for (const float temperature : {0.0f, 1.0f}) {
        const Sampling sampling{.temperature = temperature, .top_p = 0.9f, .top_k = 2};
        CHECK(sample(std::vector<float>{1, kLogitNaN, 2}, sampling, 0.5) == kNoToken);
        CHECK(sample(std::vector<float>{kLogitNaN}, sampling, 0.5) == kNoToken);
        CHECK(sample(std::vector<float>{-kInfinite, -kInfinite}, sampling, 0.5) == kNoToken);
        CHECK(sample(std::vector<float>{kInfinite, -kInfinite}, sampling, 0.5) == kNoToken);
        CHECK(sample(std::vector<float>{}, sampling, 0.5) == kNoToken);
    }
}

TEST_CASE("gpu/sampling: infinite and huge logits are drawn from without becoming none") {
    const Sampling warm{.temperature = 1};
    CHECK(reachable({0, kInfinite, 5, kInfinite}, warm) == std::set<TokenId>{1, 3});
    CHECK(reachable({-kInfinite, 1, -kInfinite}, warm) == std::set<TokenId>{1});
    const float most = std::numeric_limits<float>::max();
    CHECK(reachable({-most, most, most}, warm) == std::set<TokenId>{1, 2});
    CHECK(reachable({1, 2, 3}, {.temperature = 1e-40f}) == std::set<TokenId>{2});
    CHECK(reachable({1, 2, 3}, {.temperature = 100}).size() == 3);
}

TEST_CASE("gpu/sampling: top_k keeps so many, and of equally likely ones the lower") {
    const std::vector<float> logits{2, 3, 2, 3, 2, 1};
    const auto kept = [&](std::uint32_t top_k) {
        return reachable(logits, {.temperature = 1, .top_k = top_k});
    };
    CHECK(kept(1) == std::set<TokenId>{1});
    CHECK(kept(2) == std::set<TokenId>{1, 3});
    CHECK(kept(3) == std::set<TokenId>{0, 1, 3});
    CHECK(kept(5) == std::set<TokenId>{0, 1, 2, 3, 4});
    for (const std::uint32_t all : {0u, 6u, 7u, 1u << 22})
        CHECK(kept(all).size() == 6);
}

TEST_CASE("gpu/sampling: top_p keeps as few as have the share, and always one") {
    const std::vector<float> logits{std::log(0.5f), std::log(0.1f), std::log(0.3f), std::log(0.1f)};
    const auto kept = [&](float top_p) {
        return reachable(logits, {.temperature = 1, .top_p = top_p});
    };
    CHECK(kept(1e-6f) == std::set<TokenId>{0});
    CHECK(kept(0.49f) == std::set<TokenId>{0});
    CHECK(kept(0.51f) == std::set<TokenId>{0, 2});
    CHECK(kept(0.79f) == std::set<TokenId>{0, 2});
    CHECK(kept(0.81f) == std::set<TokenId>{0, 1, 2});  // of equal ones the lower
    CHECK(kept(0.91f).size() == 4);
    CHECK(kept(1).size() == 4);
}

TEST_CASE("gpu/sampling: the share of top_p is of those that top_k has kept") {
    const std::vector<float> logits{std::log(0.4f), std::log(0.3f), std::log(0.2f), std::log(0.1f)};
    // Of the first two the first has four sevenths.
    CHECK(reachable(logits, {.temperature = 1, .top_p = 0.5f, .top_k = 2}) == std::set<TokenId>{0});
    CHECK(reachable(logits, {.temperature = 1, .top_p = 0.5f}) == std::set<TokenId>{0, 1});
}

TEST_CASE("gpu/sampling: those kept are the first ranks, as sorting finds them") {
    const auto logits = random_logits(500, 1);
    for (const std::uint32_t top_k : {0u, 2u, 10u, 100u, 499u})
        for (const float top_p : {0.3f, 0.9f, 0.99f}) {
            CAPTURE(top_k);
            CAPTURE(top_p);
            const Sampling sampling{.temperature = 2, .top_p = top_p, .top_k = top_k};
            const auto expected = first_ranks(logits, sampling);
            CHECK(reachable_in_the_middle(logits, sampling, expected) == expected);
        }
}

TEST_CASE("gpu/sampling: equal logits in any number are no trouble") {
    constexpr std::size_t kCount = test::quarter_under_tsan(5000);
    const std::vector<float> logits(kCount, 1.5f);
    CHECK(reachable(logits, {.temperature = 1, .top_k = 3}) == std::set<TokenId>{0, 1, 2});
    const auto half = reachable(logits, {.temperature = 1, .top_p = 0.5f});
    CHECK(half.size() == kCount / 2);
    CHECK(*half.rbegin() == kCount / 2 - 1);
}

TEST_CASE("gpu/sampling: the ends of the draw are tokens, and so are draws out of its range") {
    const std::vector<float> logits{1, 1, 1, 1};
    const Sampling warm{.temperature = 1};
    CHECK(sample(logits, warm, 0) == 0);
    CHECK(sample(logits, warm, std::nextafter(1.0, 0.0)) == 3);
    CHECK(sample(logits, warm, 1) == 3);
    CHECK(sample(logits, warm, 2) == 3);
    CHECK(sample(logits, warm, -1) == 0);
}

// ---- how often ----------------------------------------------------------------------------------

TEST_CASE("gpu/sampling: tokens come as often as they are likely") {
    const std::vector<float> logits{0.5f, 2, -1, 1, 1, -3, 0, 2.5f};
    for (const float temperature : {0.5f, 1.0f, 2.0f}) {
        CAPTURE(temperature);
        const auto shares = softmax_of(logits, temperature);
        // Above 24.3 once in a thousand seeds, with 7 degrees of freedom.
        CHECK(chi_square(logits, {.temperature = temperature}, shares, 50'000) < 24.3);
    }
}

TEST_CASE("gpu/sampling: those that are kept come as often among themselves as before") {
    const std::vector<float> logits{0.5f, 2, -1, 1, 1, -3, 0, 2.5f};
    auto shares = softmax_of(logits, 1);
    const std::set<TokenId> kept{1, 3, 4, 7};
    double sum = 0;
    for (TokenId token = 0; token < shares.size(); ++token) {
        if (!kept.contains(token)) shares[token] = 0;
        sum += shares[token];
    }
    for (double& share : shares)
        share /= sum;
    CHECK(chi_square(logits, {.temperature = 1, .top_k = 4}, shares, 50'000) < 16.3);
    CHECK(chi_square(logits, {.temperature = 1, .top_p = 0.88f}, shares, 50'000) < 16.3);
}

TEST_CASE("gpu/sampling: draws are spread evenly, over positions and over seeds") {
    constexpr int kBins = 64;
    constexpr int kDraws = 64'000;
    std::vector<double> by_position(kBins);
    std::vector<double> by_seed(kBins);
    for (std::uint32_t i = 0; i < kDraws; ++i) {
        const double draws[]{draw_at(7, i), draw_at(i, 7)};
        for (const double draw : draws) {
            REQUIRE(draw >= 0);
            REQUIRE(draw < 1);
        }
        ++by_position[static_cast<std::size_t>(draws[0] * kBins)];
        ++by_seed[static_cast<std::size_t>(draws[1] * kBins)];
    }
    for (const auto* bins : {&by_position, &by_seed}) {
        double sum = 0;
        for (const double count : *bins)
            sum += (count - 1000) * (count - 1000) / 1000;
        CHECK(sum < 103.4);  // once in a thousand, with 63 degrees of freedom
        CHECK(sum > 32);     // and not too even
    }
}

TEST_CASE("gpu/sampling: a draw depends on all bits of the seed, and on the position") {
    std::set<double> draws;
    for (int bit = 0; bit < 64; ++bit)
        draws.insert(draw_at(std::uint64_t{1} << bit, 5));
    for (std::uint32_t position = 0; position < 64; ++position)
        draws.insert(draw_at(0, position));
    CHECK(draws.size() == 128);
    CHECK(draw_at(3, 4) == draw_at(3, 4));
}

TEST_CASE("gpu/sampling: the generator gives the numbers that its authors publish") {
    constexpr std::uint32_t ones = 0xFFFFFFFF;
    CHECK(philox({0, 0, 0, 0}, {0, 0}) ==
          PhiloxCounter{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8});
    CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
          PhiloxCounter{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD});
    CHECK(philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}) ==
          PhiloxCounter{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1});
}

// ---- what is refused ----------------------------------------------------------------------------

TEST_CASE("gpu/sampling: parameters that make no sense are refused") {
    const auto refused = [](const Sampling& sampling) {
        const auto checked = sampling.check();
        return !checked && checked.error().code == ErrorCode::invalid_request;
    };
    CHECK_FALSE(refused({}));
    CHECK_FALSE(refused({.temperature = 100, .top_p = 1e-6f, .top_k = 1u << 22}));
    CHECK(refused({.temperature = -0.1f}));
    CHECK(refused({.temperature = 100.5f}));
    CHECK(refused({.temperature = kLogitNaN}));
    CHECK(refused({.temperature = kInfinite}));
    CHECK(refused({.top_p = 0}));
    CHECK(refused({.top_p = -1}));
    CHECK(refused({.top_p = 1.01f}));
    CHECK(refused({.top_p = kLogitNaN}));
    CHECK(refused({.top_k = (1u << 22) + 1}));
    CHECK(refused({.top_k = static_cast<std::uint32_t>(-1)}));
}

}  // namespace casc::gpu
