#pragma once
// cuda/tensor_cores.cuh: products of small matrices of 16-bit numbers, by the warps of a block,
// with sums of 32 bits (instructions.cuh says how the matrices are spread over a warp).

#include "cuda/numbers.cuh"

#include <cstdint>
#include <type_traits>

namespace casc::gpu::cuda {

// Rows and columns of the two factors of one product: [16, 16] times [16, 8].
inline constexpr std::uint32_t kPieceRows = 16;
inline constexpr std::uint32_t kPieceInner = 16;
inline constexpr std::uint32_t kPieceColumns = 8;

template <class T>
__device__ void multiply_pieces(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b_upper,
                                std::uint32_t b_lower) {
    if constexpr (std::is_same_v<T, Bf16>) {
        multiply_bf16_pieces(sum, a, b_upper, b_lower);
    } else {
        static_assert(std::is_same_v<T, F16>);
        multiply_f16_pieces(sum, a, b_upper, b_lower);
    }
}

// Two neighbours of a row, as a register has them.
template <class T>
__device__ std::uint32_t pair_of(float left, float right) {
    if constexpr (std::is_same_v<T, Bf16>) {
        return two_bf16_bits(left, right);
    } else {
        static_assert(std::is_same_v<T, F16>);
        return two_f16_bits(left, right);
    }
}

// The same as a sum of two, which is within 2^-18 of both numbers (of bf16; of f16 2^-22, or 2^-25
// of 1).
struct PairOfParts {
    std::uint32_t most = 0;
    std::uint32_t rest = 0;
};
template <class T>
__device__ PairOfParts parts_of(float left, float right) {
    const std::uint32_t most = pair_of<T>(left, right);
    const T rounded_left{static_cast<std::uint16_t>(most)};
    const T rounded_right{static_cast<std::uint16_t>(most >> 16)};
    return {most, pair_of<T>(left - to_float(rounded_left), right - to_float(rounded_right))};
}

// Where a thread's row begins for load_pieces(), from the upper left corner of [16, 16] numbers, in
// rows and columns: pieces one below the other first, or one beside the other first.
struct PieceRow {
    std::uint32_t row = 0;
    std::uint32_t column = 0;

    __device__ static PieceRow downward(std::uint32_t lane) {
        return {lane / 8 % 2 * 8 + lane % 8, lane / 16 * 8};
    }
    __device__ static PieceRow sideways(std::uint32_t lane) {
        return {lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8};
    }
};

}  // namespace casc::gpu::cuda
