#pragma once
// cuda/token_kernels.cuh: what is done to each token by itself: all of a model but its products of
// matrices and attention. Each is bound by the bytes it reads and writes, a few kilobytes a token.
//
// Kernels are launched for as many tokens as a graph was captured for and leave those alone that
// the step has not (StepCounts).

#include "cuda/numbers.cuh"
#include "cuda/rotary.cuh"
#include "cuda/step_slab.hpp"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

struct HeadShape {
    std::uint32_t heads = 0;
    std::uint32_t kv_heads = 0;
    std::uint32_t head_size = 0;
    std::uint32_t context_tokens = 0;  // of a slot of the cache
    std::uint32_t window_tokens = 0;   // 0: to the beginning
};

// The keys or values of one head of a slot: [context_tokens, head_size], in a cache of [slots,
// kv_heads] of them.
template <class T>
__device__ T* head_cache(T* cache, const HeadShape& shape, std::uint32_t slot, std::uint32_t head) {
    return cache + (static_cast<std::size_t>(slot) * shape.kv_heads + head) * shape.context_tokens *
                       shape.head_size;
}

// states [tokens, hidden] = the rows of the embedding.
template <class T>
void embed(cudaStream_t stream, std::uint32_t tokens, const StepSlab& slab, const T* embedding,
           std::uint32_t hidden, float* states);

// What products of 8 bits are computed from: numbers of a token are as many times what is stored as
// its scale says, so that the largest of them is the largest that 8 bits have. Null: once.
using TokenScales = float*;

// normed [tokens, hidden] = the states behind RMSNorm. With `of_rows`, of the slab's rows and not
// of its tokens, and also as they were computed, to `exact`.
struct NormOutput {
    void* normed = nullptr;        // T
    TokenScales scales = nullptr;  // of E4m3 alone
    float* exact = nullptr;        // may be null
};
// A product that belongs to the states and is yet to be added to them.
struct Addend {
    const float* numbers = nullptr;  // [tokens, hidden]; null: there is none
    const float* scales = nullptr;
};
template <class T>
void normalise(cudaStream_t stream, std::uint32_t count, const StepSlab& slab, bool of_rows,
               float* states, const Addend& addend, const float* norm, std::uint32_t hidden,
               float epsilon, const NormOutput& output);

// out [tokens, columns] = the numbers, in 8 bits.
template <class T>
void to_8_bits(cudaStream_t stream, std::uint32_t tokens, const T* numbers, std::uint32_t columns,
               E4m3* out, TokenScales scales);

// Of `tokens` from `first_token` on, as many as there are: turns queries and keys of qkv [tokens,
// query_size + 2 * kv_size] by the position, the queries in their place and the keys into the
// cache, and puts the values there.
template <class T>
void place(cudaStream_t stream, std::uint32_t first_token, std::uint32_t tokens,
           const StepSlab& slab, const HeadShape& shape, const RotaryTables& tables, T* qkv,
           T* keys, T* values);

// gated [tokens, inner] = silu(the first half) * the second half of [tokens, 2 * inner].
template <class T>
void gate(cudaStream_t stream, std::uint32_t tokens, const T* gate_and_up, const float* scales,
          std::uint32_t inner, T* gated);

}  // namespace casc::gpu::cuda
