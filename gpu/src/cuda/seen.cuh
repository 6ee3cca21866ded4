#pragma once
// cuda/seen.cuh: the tokens that a token sees: itself and those before it, or so many of them as a
// window has room for.

#include "cuda/attention.cuh"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// What a token sees of a split, counted from the split's first token.
struct SeenOfSplit {
    std::uint32_t first = 0;
    std::uint32_t end = 0;    // 0: nothing
    bool has_itself = false;  // the last one is the token that sees

    // The token itself comes from elsewhere: it is only on its way to the cache.
    [[nodiscard]] __device__ std::uint32_t cached_end() const { return has_itself ? end - 1 : end; }
};

// Positions, and the splits that these lie in.
struct Seen {
    std::uint32_t first = 0;
    std::uint32_t end = 0;

    __device__ static Seen by(std::uint32_t position, const HeadShape& shape) {
        const std::uint32_t end = position + 1;
        const bool is_cut = shape.window_tokens != 0 && end > shape.window_tokens;
        return {is_cut ? end - shape.window_tokens : 0, end};
    }
    // What at least one of `count` tokens sees that follow each other.
    __device__ static Seen by_any(std::uint32_t position, std::uint32_t count,
                                  const HeadShape& shape) {
        return {by(position, shape).first, position + count};
    }
    [[nodiscard]] __device__ bool has(std::uint32_t position) const {
        return position >= first && position < end;
    }
    template <class T>
    [[nodiscard]] __device__ std::uint32_t first_split() const {
        return first / kSplitTokens<T>;
    }
    template <class T>
    [[nodiscard]] __device__ std::uint32_t end_split() const {
        return splits_of<T>(end);
    }
    template <class T>
    [[nodiscard]] __device__ SeenOfSplit of_split(std::uint32_t split) const {
        const std::uint32_t begin = split * kSplitTokens<T>;
        if (begin >= end || begin + kSplitTokens<T> <= first) return {};
        const bool is_last = end - begin <= kSplitTokens<T>;
        return {first > begin ? first - begin : 0, is_last ? end - begin : kSplitTokens<T>,
                is_last};
    }
};

}  // namespace casc::gpu::cuda
