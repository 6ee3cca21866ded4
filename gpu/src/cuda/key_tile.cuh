#pragma once
// cuda/key_tile.cuh: keys, values or queries of some tokens in shared memory.

#include "cuda/numbers.cuh"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// Packs from one row to the next: an odd number, so that the same place of eight rows lies in
// different banks, and an even number of packs is there to be read.
[[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::uint32_t row_stride(std::uint32_t packs) {
    return (packs + 1) / 2 * 2 + 1;
}

template <class T, std::uint32_t kTokens, std::uint32_t kSizeMax>
struct KeyTile {
    static constexpr std::uint32_t kPacksMax = kSizeMax / Pack<T>::kCount;
    Pack<T> rows[kTokens * row_stride(kPacksMax)];

    // Begins to copy rows `first` to `end`, of which each lies `source_packs` behind the one
    // before; by all threads. They are there when each has waited for its copies, and then all for
    // each other.
    template <unsigned kThreads>
    __device__ void load(const T* from, std::uint32_t source_packs, std::uint32_t first,
                         std::uint32_t end, std::uint32_t packs) {
        const auto* const source = reinterpret_cast<const Pack<T>*>(from);
        const std::uint32_t stride = row_stride(packs);
        // Divided once: a division takes as long as ten of these loads.
        const std::uint32_t rows_on = kThreads / packs;
        const std::uint32_t packs_on = kThreads % packs;
        std::uint32_t row = first + threadIdx.x / packs;
        std::uint32_t pack = threadIdx.x % packs;
        while (row < end) {
            copy_16_bytes(&rows[row * stride + pack],
                          &source[static_cast<std::size_t>(row) * source_packs + pack]);
            row += rows_on;
            pack += packs_on;
            if (pack >= packs) {
                pack -= packs;
                ++row;
            }
        }
        end_copy_group();
    }
    // Rows `first` to `end` become zeros, and so does what lies behind each row of an odd number of
    // packs.
    template <unsigned kThreads>
    __device__ void clear(std::uint32_t first, std::uint32_t end, std::uint32_t packs) {
        const std::uint32_t stride = row_stride(packs);
        for (std::uint32_t i = first * stride + threadIdx.x; i < end * stride; i += kThreads)
            rows[i] = {};
    }
    template <unsigned kThreads>
    __device__ void clear_ends(std::uint32_t packs) {
        if (packs % 2 == 0) return;
        for (std::uint32_t row = threadIdx.x; row < kTokens; row += kThreads)
            rows[row * row_stride(packs) + packs] = {};
    }
    [[nodiscard]] __device__ const Pack<T>& at(std::uint32_t row, std::uint32_t pack,
                                               std::uint32_t packs) const {
        return rows[row * row_stride(packs) + pack];
    }
};

// Of a pack with as many floats.
__device__ inline float dot(const float* a, const Pack<float>& b, float sum) {
#pragma unroll
    for (int i = 0; i < Pack<float>::kCount; ++i)
        sum += a[i] * b.numbers[i];
    return sum;
}

}  // namespace casc::gpu::cuda
