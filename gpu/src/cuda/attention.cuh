#pragma once
// cuda/attention.cuh: what each token sees of those before it.
//
// Lone tokens, which is what decoding has, are bound by the keys and values coming from memory:
// each is read once for all heads of queries that share it, by a block for every 64 tokens of a
// sequence (split over the keys), and what the blocks have found is put together by a second
// kernel. Where a sequence is cut depends on nothing but positions, so its sums have the same order
// in every batch.
//
// Tokens of a prompt come in tiles of 16, which read the keys together; the softmax is carried from
// one tile of keys to the next ("FlashAttention", arxiv.org/abs/2205.14135).

#include "cuda/token_kernels.cuh"

#include <cstddef>
#include <cstdint>

namespace casc::gpu::cuda {

// A row of keys is read 16 bytes at a time, and a tile of them lies in shared memory.
inline constexpr std::uint32_t kHeadSizeMax = 128;

template <class T>
inline constexpr std::uint32_t kSplitTokens = sizeof(T) == 2 ? 64 : 32;

// Floats that the blocks of a lone token's head leave behind: for each split the sum over its
// values, the largest score, and the sum of the shares.
[[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::size_t part_floats(std::uint32_t head_size) {
    return head_size + 2;
}
template <class T>
[[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::uint32_t splits_of(std::uint32_t tokens) {
    return (tokens + kSplitTokens<T> - 1) / kSplitTokens<T>;
}

// Of the first `tokens` of the slab, of which none sees more than `splits` splits. parts: [tokens,
// heads, splits, part_floats]. attended: [tokens, query_size].
template <class T>
void attend_lone(cudaStream_t stream, std::uint32_t tokens, std::uint32_t splits,
                 const StepSlab& slab, const HeadShape& shape, const T* qkv, const T* keys,
                 const T* values, float* parts, T* attended);

// Of the slab's first `tiles` tiles.
template <class T>
void attend_tiles(cudaStream_t stream, std::uint32_t tiles, const StepSlab& slab,
                  const HeadShape& shape, const T* qkv, const T* keys, const T* values,
                  T* attended);

}  // namespace casc::gpu::cuda
