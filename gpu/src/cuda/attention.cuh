#pragma once
// cuda/attention.cuh: what each token sees of those before it.
//
// Lone tokens, which is what decoding has, are bound by the keys and values coming from memory:
// each is read once for all heads of queries that share it (16 of them at most), by a block for
// every 64 tokens of a sequence, or 32 (split over the keys), and the last of these blocks puts
// together what all have found. Where a sequence is cut depends on nothing but positions, so its
// sums have the same order in every batch.
//
// Tokens of a prompt come in tiles of 64, which read the keys together; the softmax is carried from
// one tile of keys to the next ("FlashAttention", arxiv.org/abs/2205.14135; the layout of the work
// is FlashAttention-2's, arxiv.org/abs/2307.08691).
//
// 16-bit numbers are multiplied by tensor cores (tensor_cores.cuh). Scores and sums have 32 bits,
// and shares are two numbers of 16 bits each, of which the second is what the first leaves: nothing
// is rounded to 16 bits but the result. Tensor cores would round floats to 11 bits: those have
// kernels of their own, which do not.

#include "cuda/token_kernels.cuh"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace casc::gpu::cuda {

// A row of keys is read 16 bytes at a time, and a tile of them lies in shared memory.
inline constexpr std::uint32_t kHeadSizeMax = 128;

// Calls `what` with the head size of the kernel for heads of `size` numbers.
template <class What>
void with_head_size(std::uint32_t size, What&& what) {
    if (size <= 64)
        what(std::integral_constant<std::uint32_t, 64>());
    else if (size <= 96)
        what(std::integral_constant<std::uint32_t, 96>());
    else
        what(std::integral_constant<std::uint32_t, kHeadSizeMax>());
}

// Scores are exponents of 2, not of e.
inline constexpr float kLog2OfE = 1.44269504f;

// The largest share is 2 to this: numbers of f16 end at 2^-24, and shares that are added up by the
// thousand begin far below. Those of the other kinds go on to 2^-126.
template <class T>
inline constexpr float kShareExponent = std::is_same_v<T, F16> ? 14 : 0;

template <class T>
inline constexpr std::uint32_t kSplitTokens = sizeof(T) == 2 ? 64 : 32;

// Floats that the blocks of a lone token's head leave behind: for each split the largest score, the
// sum of the shares, and the sum over its values.
[[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::size_t part_floats(std::uint32_t head_size) {
    return head_size + 2;
}
template <class T>
[[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::uint32_t splits_of(std::uint32_t tokens) {
    return (tokens + kSplitTokens<T> - 1) / kSplitTokens<T>;
}
struct LoneWork {
    float* parts = nullptr;            // [tokens, heads, splits, part_floats]
    std::uint32_t* arrived = nullptr;  // one for each token and head at most; 0 before and after
};

// Of the first `tokens` of the slab, of which none sees more than `splits` splits. Their queries,
// keys and values come as they were multiplied: place() is done with them here. attended: [tokens,
// query_size].
template <class T>
void attend_lone(cudaStream_t stream, std::uint32_t tokens, std::uint32_t splits,
                 const StepSlab& slab, const HeadShape& shape, const RotaryTables& tables,
                 const T* qkv, T* keys, T* values, const LoneWork& work, T* attended);
template <>
void attend_lone(cudaStream_t stream, std::uint32_t tokens, std::uint32_t splits,
                 const StepSlab& slab, const HeadShape& shape, const RotaryTables& tables,
                 const float* qkv, float* keys, float* values, const LoneWork& work,
                 float* attended);

// Of the slab's first `tiles` tiles, behind place().
template <class T>
void attend_tiles(cudaStream_t stream, std::uint32_t tiles, const StepSlab& slab,
                  const HeadShape& shape, const T* qkv, const T* keys, const T* values,
                  T* attended);
template <>
void attend_tiles(cudaStream_t stream, std::uint32_t tiles, const StepSlab& slab,
                  const HeadShape& shape, const float* qkv, const float* keys, const float* values,
                  float* attended);

}  // namespace casc::gpu::cuda
