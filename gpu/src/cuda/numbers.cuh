#pragma once
// cuda/numbers.cuh: the kinds of numbers that weights and caches have on the device, each as wide
// as in the file, and computed with as floats.

#include "cuda/instructions.cuh"
#include "model/eight_bits.hpp"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

struct Bf16 {
    std::uint16_t bits;
};
struct F16 {
    std::uint16_t bits;
};

__device__ inline float to_float(float number) {
    return number;
}
__device__ inline float to_float(Bf16 number) {
    return __uint_as_float(static_cast<std::uint32_t>(number.bits) << 16);
}
__device__ inline float to_float(F16 number) {
    return half_bits_to_float(number.bits);
}

template <class T>
__device__ T from_float(float number);

template <>
__device__ inline float from_float<float>(float number) {
    return number;
}
// To the nearest, of two as near to the even one; what is no number stays none.
template <>
__device__ inline Bf16 from_float<Bf16>(float number) {
    return {float_to_bf16_bits(number)};
}
template <>
__device__ inline F16 from_float<F16>(float number) {
    return {float_to_half_bits(number)};
}
template <>
__device__ inline E4m3 from_float<E4m3>(float number) {
    return e4m3_of(number);
}

// As many numbers as 16 bytes have: what one thread reads or writes at once.
template <class T>
struct alignas(16) Pack {
    static constexpr int kCount = 16 / sizeof(T);
    T numbers[kCount];
};

}  // namespace casc::gpu::cuda
