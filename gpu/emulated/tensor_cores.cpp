// Products of pieces of matrices, by a whole warp (cuda/instructions.cuh).
#include "cuda/numbers.cuh"
#include "state.hpp"

#include <cuda_runtime.h>

namespace casc::gpu::cuda {
namespace {

constexpr unsigned kLanes = 32;

struct Loading {
    const std::uint16_t* row;
    std::uint32_t* pieces;
};

std::uint32_t pair(std::uint16_t lower, std::uint16_t upper) {
    return lower | static_cast<std::uint32_t>(upper) << 16;
}

void load(void* const (&brought)[kLanes]) {
    const auto of = [&](unsigned lane) { return *static_cast<Loading*>(brought[lane]); };
    for (unsigned lane = 0; lane < kLanes; ++lane)
        for (unsigned piece = 0; piece < 4; ++piece) {
            const std::uint16_t* const row = of(piece * 8 + lane / 4).row + lane % 4 * 2;
            of(lane).pieces[piece] = pair(row[0], row[1]);
        }
}

void load_turned(void* const (&brought)[kLanes]) {
    const auto of = [&](unsigned lane) { return *static_cast<Loading*>(brought[lane]); };
    for (unsigned lane = 0; lane < kLanes; ++lane)
        for (unsigned piece = 0; piece < 4; ++piece) {
            const unsigned column = piece * 8 + lane % 4 * 2;
            of(lane).pieces[piece] = pair(of(column).row[lane / 4], of(column + 1).row[lane / 4]);
        }
}

struct Multiplying {
    float* sum;
    const std::uint32_t* a;
    std::uint32_t b[2];
};

template <class T>
float number(std::uint32_t both, unsigned which) {
    return to_float(T{static_cast<std::uint16_t>(both >> 16 * which)});
}

template <class T>
void multiply(void* const (&brought)[kLanes]) {
    float a[16][16];
    float b[8][16];  // turned
    float sums[16][8];
    const auto each_sum = [&](auto what) {
        for (unsigned lane = 0; lane < kLanes; ++lane)
            for (unsigned i = 0; i < 4; ++i)
                what(sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2],
                     static_cast<Multiplying*>(brought[lane])->sum[i]);
    };
    for (unsigned lane = 0; lane < kLanes; ++lane) {
        const Multiplying& its = *static_cast<Multiplying*>(brought[lane]);
        for (unsigned which = 0; which < 2; ++which) {
            for (unsigned i = 0; i < 4; ++i)
                a[lane / 4 + i % 2 * 8][i / 2 * 8 + lane % 4 * 2 + which] =
                    number<T>(its.a[i], which);
            for (unsigned i = 0; i < 2; ++i)
                b[lane / 4][i * 8 + lane % 4 * 2 + which] = number<T>(its.b[i], which);
        }
    }
    each_sum([](float& here, float its) { here = its; });
    for (unsigned row = 0; row < 16; ++row)
        for (unsigned column = 0; column < 8; ++column)
            for (unsigned i = 0; i < 16; ++i)
                sums[row][column] += a[row][i] * b[column][i];
    each_sum([](float here, float& its) { its = here; });
}

}  // namespace

unsigned short float_to_bf16_bits(float number) {
    const std::uint32_t bits = __float_as_uint(number);
    if ((bits & 0x7FFF'FFFFu) > 0x7F80'0000u) return 0x7FFF;
    return static_cast<unsigned short>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}
std::uint32_t two_bf16_bits(float lower, float upper) {
    return pair(float_to_bf16_bits(lower), float_to_bf16_bits(upper));
}
std::uint32_t two_f16_bits(float lower, float upper) {
    return pair(float_to_half_bits(lower), float_to_half_bits(upper));
}

void load_pieces(std::uint32_t (&pieces)[4], const void* row) {
    emulated_cuda::check_alignment(row, 16);
    Loading mine{static_cast<const std::uint16_t*>(row), pieces};
    emulated_cuda::do_as_warp(&mine, load);
}
void load_turned_pieces(std::uint32_t (&pieces)[4], const void* row) {
    emulated_cuda::check_alignment(row, 16);
    Loading mine{static_cast<const std::uint16_t*>(row), pieces};
    emulated_cuda::do_as_warp(&mine, load_turned);
}
void multiply_bf16_pieces(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b_upper,
                          std::uint32_t b_lower) {
    Multiplying mine{sum, a, {b_upper, b_lower}};
    emulated_cuda::do_as_warp(&mine, multiply<Bf16>);
}
void multiply_f16_pieces(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b_upper,
                         std::uint32_t b_lower) {
    Multiplying mine{sum, a, {b_upper, b_lower}};
    emulated_cuda::do_as_warp(&mine, multiply<F16>);
}

}  // namespace casc::gpu::cuda
