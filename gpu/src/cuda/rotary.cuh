#pragma once
// cuda/rotary.cuh: the rotary embedding of a token's queries and keys. The numbers d and
// d + head_size / 2 of a head are a pair, which is turned by an angle that depends on d and on the
// token's position.

#include "cuda/numbers.cuh"
#include "cuda/step_slab.hpp"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// For each of two tables (the second of longrope alone) and each position cosine and sine of every
// pair: [2, context_tokens, head_size / 2, 2]. What is turned is multiplied with the token's scale
// before; scales: null, all are 1.
struct RotaryTables {
    const float* turns = nullptr;
    const float* scales = nullptr;
};

// Two numbers that lie one beside the other; so do their partners.
struct alignas(8) TwoFloats {
    float first = 0;
    float second = 0;
};

template <class T>
__device__ void store_two(T* to, const TwoFloats& numbers) {
    struct alignas(2 * sizeof(T)) Two {
        T numbers[2];
    };
    *reinterpret_cast<Two*>(to) = {from_float<T>(numbers.first), from_float<T>(numbers.second)};
}

// Of one token.
struct Rotary {
    const float* turns = nullptr;  // of its position
    float scale = 1;
    std::uint32_t head_size = 0;

    __device__ static Rotary of(const RotaryTables& tables, std::uint32_t token,
                                const TokenParameters& is, std::uint32_t context_tokens,
                                std::uint32_t head_size) {
        const std::size_t row =
            static_cast<std::size_t>(is.is_beyond) * context_tokens + is.position;
        return {tables.turns + row * head_size, tables.scales == nullptr ? 1 : tables.scales[token],
                head_size};
    }
    // Numbers d and d + 1 of a head, d even, behind its embedding.
    template <class T>
    [[nodiscard]] __device__ TwoFloats turned(const T* head, std::uint32_t d) const {
        const std::uint32_t pairs = head_size / 2;
        const bool is_first = d < pairs;
        const std::uint32_t pair = is_first ? d : d - pairs;
        TwoFloats out;
        for (std::uint32_t i = 0; i < 2; ++i) {
            const float cosine = turns[2 * (pair + i)];
            const float sine = turns[2 * (pair + i) + 1];
            const float mine = to_float(head[d + i]) * scale;
            const float other = to_float(head[is_first ? d + i + pairs : pair + i]) * scale;
            (i == 0 ? out.first : out.second) =
                is_first ? mine * cosine - other * sine : mine * cosine + other * sine;
        }
        return out;
    }
    // The same of values, which are not turned.
    template <class T>
    [[nodiscard]] __device__ TwoFloats scaled(const T* head, std::uint32_t d) const {
        return {to_float(head[d]) * scale, to_float(head[d + 1]) * scale};
    }
};

}  // namespace casc::gpu::cuda
