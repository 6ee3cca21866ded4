#pragma once
// cuda/lone_token.cuh: how the key and value of a lone token come among those that it sees.

#include "cuda/key_tile.cuh"
#include "cuda/rotary.cuh"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// The token's own key, turned, and its value: to row `row` of the tiles, and to the cache if
// `keeps` is true. By the first head_size threads of a block.
template <class T, class Tile>
__device__ void place_itself(const Rotary& rotary, const T* key, const T* value, std::uint32_t row,
                             Tile& key_tile, Tile& value_tile, bool keeps, T* cached_key,
                             T* cached_value) {
    const std::uint32_t size = rotary.head_size;
    if (threadIdx.x >= size) return;
    const bool is_key = threadIdx.x < size / 2;
    const std::uint32_t d = (is_key ? threadIdx.x : threadIdx.x - size / 2) * 2;
    const TwoFloats two = is_key ? rotary.turned(key, d) : rotary.scaled(value, d);
    const std::uint32_t stride = row_stride(size / Pack<T>::kCount) * Pack<T>::kCount;
    store_two((is_key ? key_tile : value_tile).rows[0].numbers + row * stride + d, two);
    if (keeps) store_two((is_key ? cached_key : cached_value) + d, two);
}

}  // namespace casc::gpu::cuda
