// How a token is drawn. Who may be drawn is decided by rank: the larger logit, of equal ones the
// lower number. top_k keeps the first ranks, top_p as many of those as have that share of them. The
// draw then walks through who was kept in the order of their numbers, so nothing needs sorting.
//
// Weights are whole numbers (2^40 for the most likely token), so that their sums do not depend on
// the order of adding and a device that adds in parallel draws the same token. A token is left out
// whose probability is less than 2^-40 of the most likely one's.

#include "philox.hpp"
#include "token_weight.hpp"

#include <casc/gpu/sampling.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace casc::gpu {
namespace {

constexpr float kTemperatureMax = 100;
constexpr std::uint32_t kTopKMax = 1u << 22;  // no vocabulary is larger, see model_config.cpp

// The bits of a logit, as a number that is larger when the logit is; of -0 and 0 the same.
std::int32_t ordered_bits(float logit) noexcept {
    const auto bits = std::bit_cast<std::int32_t>(logit + 0.0f);
    return bits ^ (bits >> 31 & 0x7FFF'FFFF);
}

float logit_of(std::int32_t ordered) noexcept {
    return std::bit_cast<float>(ordered ^ (ordered >> 31 & 0x7FFF'FFFF));
}

// Larger for whoever comes before: the logit, then the token. Never 0.
using TokenRank = std::uint64_t;

TokenRank token_rank(float logit, std::size_t token) noexcept {
    const auto ordered = static_cast<std::uint32_t>(ordered_bits(logit)) ^ 0x8000'0000u;
    return TokenRank{ordered} << 32 | (0xFFFF'FFFFu - static_cast<std::uint32_t>(token));
}

TokenId ranked_token(TokenRank rank) noexcept {
    return 0xFFFF'FFFFu - static_cast<std::uint32_t>(rank);
}

struct WeighedToken {
    TokenRank rank;
    std::uint64_t weight;
};

bool ranks_before(const WeighedToken& a, const WeighedToken& b) noexcept {
    return a.rank > b.rank;
}

// Grows to the largest vocabulary that its thread has seen: 4 MiB for 128k tokens.
struct SamplingScratch {
    std::vector<TokenRank> ranks;
    std::vector<WeighedToken> all;
    std::vector<WeighedToken> likely;
};

// The largest of the logits; NaN when one is. By their bits: a largest float the compiler may not
// look for in vectors, a largest integer it may.
float largest_logit(std::span<const float> logits) noexcept {
    std::int32_t most = std::numeric_limits<std::int32_t>::min();
    std::int32_t not_a_number = 0;
    for (const float logit : logits) {
        const std::int32_t ordered = ordered_bits(logit);
        most = ordered > most ? ordered : most;
        not_a_number |= logit != logit ? 1 : 0;
    }
    return not_a_number != 0 ? std::numeric_limits<float>::quiet_NaN() : logit_of(most);
}

// The most likely token; nothing when the logits are none.
std::optional<TokenId> most_likely_token(std::span<const float> logits) noexcept {
    const float most = largest_logit(logits);
    const auto is_finite = [](float logit) { return std::isfinite(logit); };
    if (std::isnan(most)) return std::nullopt;
    if (std::isinf(most) && std::ranges::none_of(logits, is_finite)) return std::nullopt;
    return static_cast<TokenId>(std::ranges::find(logits, most) - logits.begin());
}

// The rank of the last one of the first `count`. Keeps at most twice as many at a time, so that it
// is linear however large the vocabulary is.
TokenRank last_rank_of(std::span<const float> logits, std::size_t count,
                       std::vector<TokenRank>& kept) {
    kept.clear();
    TokenRank last = 0;
    float least = -std::numeric_limits<float>::infinity();  // the logit of `last`
    const auto cut = [&] {
        const auto at = kept.begin() + static_cast<std::ptrdiff_t>(count - 1);
        std::ranges::nth_element(kept, at, std::greater<>{});
        last = *at;
        least = logits[ranked_token(last)];
        kept.resize(count);
    };
    for (std::size_t token = 0; token < logits.size(); ++token) {
        if (logits[token] < least) continue;  // most of them
        const TokenRank rank = token_rank(logits[token], token);
        if (rank <= last) continue;
        kept.push_back(rank);
        if (kept.size() == 2 * count) cut();
    }
    cut();
    return last;
}

// In the order of their numbers; returns the sum of the weights.
std::uint64_t weigh_tokens(std::span<const float> logits, float most, double temperature,
                           TokenRank last, std::vector<WeighedToken>& candidates) {
    constexpr double kLog2E = 1.4426950408889634;
    const double scale = kLog2E / temperature;
    const float least =
        last == 0 ? -std::numeric_limits<float>::infinity() : logits[ranked_token(last)];
    std::uint64_t total = 0;
    candidates.clear();
    for (std::size_t token = 0; token < logits.size(); ++token) {
        if (logits[token] < least) continue;
        const TokenRank rank = token_rank(logits[token], token);
        if (rank < last) continue;
        // Apart from the difference: an infinite one less itself would be no number.
        const double below =
            logits[token] == most ? 0 : (static_cast<double>(logits[token]) - most) * scale;
        if (below < kLeastExponent) continue;  // it would weigh nothing
        const std::uint64_t weight = token_weight(below);
        candidates.push_back({rank, weight});
        total += weight;
    }
    return total;
}

std::uint64_t weight_of(std::span<const WeighedToken> candidates) noexcept {
    std::uint64_t sum = 0;
    for (const WeighedToken& candidate : candidates)
        sum += candidate.weight;
    return sum;
}

// The rank of the last of the first ones that have `wanted` together. Halves what it is in each
// time, which is linear in all.
TokenRank last_rank_with(std::uint64_t wanted, std::span<WeighedToken> among) {
    while (among.size() > 1) {
        const std::size_t half = among.size() / 2;
        const auto middle = among.begin() + static_cast<std::ptrdiff_t>(half);
        std::nth_element(among.begin(), middle, among.end(), ranks_before);
        const std::uint64_t first_half = weight_of(among.first(half));
        if (first_half >= wanted) {
            among = among.first(half);
        } else {
            wanted -= first_half;
            among = among.subspan(half);
        }
    }
    return among.front().rank;
}

// Whom top_p keeps; most of a large vocabulary is passed over first: those who have less than an
// equal part of the share that is left out have no more than that share together.
TokenRank last_rank_of_share(double share, std::uint64_t total, std::span<const WeighedToken> all,
                             std::vector<WeighedToken>& likely) {
    const double of_total = share * static_cast<double>(total);
    const auto wanted =
        std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(of_total)), 1, total);
    const std::uint64_t too_little = (total - wanted) / all.size();
    likely.clear();
    std::ranges::copy_if(all, std::back_inserter(likely), [&](const WeighedToken& candidate) {
        return candidate.weight > too_little;
    });
    return last_rank_with(wanted, likely);
}

TokenId drawn_token(std::span<const WeighedToken> candidates, std::uint64_t total, TokenRank last,
                    double draw) noexcept {
    const double exact = std::clamp(draw, 0.0, 1.0) * static_cast<double>(total);
    std::uint64_t left = std::min(static_cast<std::uint64_t>(exact), total - 1);
    for (const WeighedToken& candidate : candidates) {
        if (candidate.rank < last) continue;
        if (candidate.weight > left) return ranked_token(candidate.rank);
        left -= candidate.weight;
    }
    return kNoToken;  // not reached: the weights have `total` together, and more than `left`
}

std::uint64_t kept_weight(std::span<const WeighedToken> candidates, TokenRank last) noexcept {
    std::uint64_t sum = 0;
    for (const WeighedToken& candidate : candidates)
        sum += candidate.rank >= last ? candidate.weight : 0;
    return sum;
}

}  // namespace

Result<void> Sampling::check() const {
    const auto refuse = [](const std::string& why) {
        return Error(ErrorCode::invalid_request, why);
    };
    // Written so that NaN is refused too.
    if (!(temperature >= 0 && temperature <= kTemperatureMax))
        return refuse("temperature is " + std::to_string(temperature) + ", and must be 0 to 100");
    if (!(top_p > 0 && top_p <= 1))
        return refuse("top_p is " + std::to_string(top_p) + ", and must be above 0 and at most 1");
    if (top_k > kTopKMax)
        return refuse("top_k is " + std::to_string(top_k) + ", and must be at most " +
                      std::to_string(kTopKMax) + "; 0 keeps all");
    return {};
}

TokenId sample(std::span<const float> logits, const Sampling& sampling, double draw) {
    const auto best = most_likely_token(logits);
    if (!best) return kNoToken;
    if (sampling.temperature == 0 || sampling.top_k == 1) return *best;
    thread_local SamplingScratch scratch;
    TokenRank last = 0;
    if (sampling.top_k != 0 && sampling.top_k < logits.size())
        last = last_rank_of(logits, sampling.top_k, scratch.ranks);
    std::uint64_t total =
        weigh_tokens(logits, logits[*best], sampling.temperature, last, scratch.all);
    if (sampling.top_p < 1) {
        last = last_rank_of_share(sampling.top_p, total, scratch.all, scratch.likely);
        total = kept_weight(scratch.all, last);
    }
    return drawn_token(scratch.all, total, last, draw);
}

double draw_at(std::uint64_t seed, std::uint32_t position) noexcept {
    const PhiloxCounter random =
        philox({position, 0, 0, 0},
               {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    // 53 bits: as many as a double has between 0 and 1.
    const std::uint64_t bits = std::uint64_t{random[1]} << 32 | random[0];
    return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace casc::gpu
