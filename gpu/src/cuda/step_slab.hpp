#pragma once
// cuda/step_slab.hpp: what a step tells the device, and what it hears back. The host fills a slab
// in pinned memory, one copy takes it to a slab on the device that has the same layout, and kernels
// find in it what changes between steps: a graph of kernels is captured once and launched again and
// again.

#include "host_and_device.hpp"

#include <casc/gpu/token.hpp>

#include <cstddef>
#include <cstdint>

namespace casc::gpu::cuda {

struct StepCounts {
    std::uint32_t tokens = 0;
    std::uint32_t lone_tokens = 0;  // the first ones: one of a sequence each
    std::uint32_t rows = 0;
};

// A token to be computed.
struct TokenParameters {
    std::uint32_t token = 0;
    std::uint32_t slot = 0;
    std::uint32_t position = 0;
    std::uint32_t is_beyond = 0;  // 1: by longrope's second table
};

// A state that somebody wants something of.
struct RowParameters {
    double draw = 0;
    float temperature = 0;
    float top_p = 1;
    std::uint32_t top_k = 0;
    std::uint32_t token = 0;  // its place among the tokens of the step
};

// Tokens of one sequence, one behind the other, that look at its keys together.
struct PromptTile {
    static constexpr std::uint32_t kTokensMax = 64;
    std::uint32_t first_token = 0;
    std::uint32_t count = 0;
};

struct SampledToken {
    std::uint32_t token = kNoToken;  // none: the logits are not finite
};

// Where the parts are: of what is small and every step needs to what only prompts need, so that a
// step of few tokens copies the beginning alone.
struct SlabLayout {
    std::size_t rows_max = 0;
    std::size_t tokens_max = 0;

    static constexpr std::size_t kCountsBytes = 64;
    [[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::size_t rows_at() const noexcept {
        return kCountsBytes;
    }
    [[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::size_t tokens_at() const noexcept {
        return rows_at() + rows_max * sizeof(RowParameters);
    }
    [[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::size_t tiles_at() const noexcept {
        return tokens_at() + tokens_max * sizeof(TokenParameters);
    }
    // Every tile but the last one of a sequence is full, and a sequence has two tokens at least.
    [[nodiscard]] constexpr std::size_t tiles_max() const noexcept { return tokens_max; }
    [[nodiscard]] constexpr std::size_t bytes() const noexcept {
        return tiles_at() + tiles_max() * sizeof(PromptTile);
    }
};

// The slab at `begin`, here or there.
struct StepSlab {
    std::byte* begin = nullptr;
    SlabLayout layout;

    [[nodiscard]] CASC_HOST_AND_DEVICE StepCounts* counts() const noexcept {
        return reinterpret_cast<StepCounts*>(begin);
    }
    [[nodiscard]] CASC_HOST_AND_DEVICE RowParameters* rows() const noexcept {
        return reinterpret_cast<RowParameters*>(begin + layout.rows_at());
    }
    [[nodiscard]] CASC_HOST_AND_DEVICE TokenParameters* tokens() const noexcept {
        return reinterpret_cast<TokenParameters*>(begin + layout.tokens_at());
    }
    [[nodiscard]] CASC_HOST_AND_DEVICE PromptTile* tiles() const noexcept {
        return reinterpret_cast<PromptTile*>(begin + layout.tiles_at());
    }
};

}  // namespace casc::gpu::cuda
