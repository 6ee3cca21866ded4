// Halves, which a processor has no instruction for that every one has.
#include "cpu/half.hpp"

#include <cmath>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

float half_bits_to_float(unsigned short bits) {
    return cpu::from_f16(bits);
}

// To the nearest, of two as near to the even one.
unsigned short float_to_half_bits(float number) {
    const std::uint32_t bits = __float_as_uint(number);
    const auto sign = static_cast<unsigned short>(bits >> 16 & 0x8000u);
    const float size = std::fabs(number);
    if (std::isnan(number)) return 0x7FFF;
    if (size >= 65520.0f) return sign | 0x7C00;  // half a step beyond the largest
    if (size < 0x1p-14f)                         // steps of 2^-24
        return sign | static_cast<unsigned short>(std::nearbyint(size * 0x1p24f));
    const std::uint32_t rest = bits & 0x7FFF'FFFFu;
    const std::uint32_t rounded = (rest + 0xFFFu + (rest >> 13 & 1u)) >> 13;
    return sign | static_cast<unsigned short>(rounded - (112u << 10));
}

}  // namespace casc::gpu::cuda
