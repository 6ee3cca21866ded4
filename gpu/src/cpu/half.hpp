#pragma once
// cpu/half.hpp: floats of 16 bits, one at a time.

#include <bit>
#include <cstdint>

namespace casc::gpu::cpu {

// The upper half of a float.
[[nodiscard]] inline float from_bf16(std::uint16_t bits) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// IEEE 754's binary16: sign, 5 bits of exponent (15 is 2^0), 10 of fraction.
[[nodiscard]] inline float from_f16(std::uint16_t bits) noexcept {
    const std::uint32_t sign = (bits & 0x8000u) << 16;
    const std::uint32_t rest = bits & 0x7fffu;
    if (rest < 0x0400) {  // zero and what is below 2^-14: fraction * 2^-24
        const float value = static_cast<float>(rest) * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    // Infinities and what is no number have the largest exponent here as there.
    const std::uint32_t exponent = rest >= 0x7c00 ? 0x7f80'0000u - (0x7c00u << 13) : 112u << 23;
    return std::bit_cast<float>(sign | ((rest << 13) + exponent));
}

}  // namespace casc::gpu::cpu
