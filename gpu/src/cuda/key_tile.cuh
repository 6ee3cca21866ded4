#pragma once
// cuda/key_tile.cuh: keys or values of some tokens in shared memory.

#include "cuda/launch.cuh"
#include "cuda/numbers.cuh"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// Packs from one row to the next: so many that eight threads which read the same place of four rows
// and the next one of the same rows meet in no bank (an odd multiple of two).
[[nodiscard]] CASC_HOST_AND_DEVICE constexpr std::uint32_t row_stride(std::uint32_t packs) {
    const std::uint32_t even = (packs + 1) / 2 * 2;
    return even % 4 == 0 ? even + 2 : even;
}

template <class T, std::uint32_t kTokens, std::uint32_t kSizeMax>
struct KeyTile {
    static constexpr std::uint32_t kPacksMax = kSizeMax / Pack<T>::kCount;
    Pack<T> rows[kTokens * row_stride(kPacksMax)];

    // Begins to copy the first `count` rows from `from`, which lie one behind the other; by all
    // threads. They are there when each has waited for its copies, and then all for each other.
    template <unsigned kThreads>
    __device__ void load(const T* from, std::uint32_t count, std::uint32_t packs) {
        const auto* const source = reinterpret_cast<const Pack<T>*>(from);
        const std::uint32_t stride = row_stride(packs);
        // Divided once: a division takes as long as ten of these loads.
        const std::uint32_t rows_on = kThreads / packs;
        const std::uint32_t packs_on = kThreads % packs;
        std::uint32_t row = threadIdx.x / packs;
        std::uint32_t pack = threadIdx.x % packs;
        for (std::uint32_t i = threadIdx.x; i < count * packs; i += kThreads) {
            copy_16_bytes(&rows[row * stride + pack], &source[i]);
            row += rows_on;
            pack += packs_on;
            if (pack >= packs) {
                pack -= packs;
                ++row;
            }
        }
        end_copy_group();
    }
    [[nodiscard]] __device__ const Pack<T>& at(std::uint32_t row, std::uint32_t pack,
                                               std::uint32_t packs) const {
        return rows[row * row_stride(packs) + pack];
    }
};

// Of a pack with as many floats.
template <class T>
__device__ float dot(const float* a, const Pack<T>& b, float sum) {
#pragma unroll
    for (int i = 0; i < Pack<T>::kCount; ++i)
        sum += a[i] * to_float(b.numbers[i]);
    return sum;
}

}  // namespace casc::gpu::cuda
