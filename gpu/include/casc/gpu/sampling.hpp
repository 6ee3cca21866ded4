#pragma once
// casc/gpu/sampling.hpp: which token comes next, of all that could.

#include <casc/gpu/token.hpp>
#include <casc/types/result.hpp>

#include <cstdint>
#include <span>
#include <string_view>

namespace casc::gpu {

struct Sampling {
    float temperature = 0;    // 0: the most likely token, whatever the others
    float top_p = 1;          // of the most likely tokens so many that they have this share
    std::uint32_t top_k = 0;  // of the most likely tokens so many at most; 0: all

    // Fails with: invalid_request.
    [[nodiscard]] Result<void> check() const;
};

// The token that `draw`, in [0, 1), points at. The same on every backend for the same logits. Of
// equally likely tokens the one with the lower number comes first. kNoToken when a logit is NaN or
// none is finite.
//
// Thread: any. Each thread keeps memory for the largest vocabulary it has seen, some megabytes.
[[nodiscard]] TokenId sample(std::span<const float> logits, const Sampling& sampling, double draw);

// The draw for the token at a position, from nothing but the seed and the position: whatever batch
// an answer is computed in, and if it is computed again after a crash, it is the same.
[[nodiscard]] double draw_at(std::uint64_t seed, std::uint32_t position) noexcept;

}  // namespace casc::gpu
