#pragma once
// eight_bits.hpp: numbers of 8 bits: a sign, 4 bits of exponent and 3 of fraction, E4M3 of the "OCP
// 8-bit Floating Point Specification (OFP8)", revision 1.0, 2023. There is no infinity.

#include "host_and_device.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace casc::gpu {

struct E4m3 {
    std::uint8_t bits;
};

inline constexpr float kE4m3Largest = 448;
inline constexpr E4m3 kE4m3None{0x7F};

CASC_HOST_AND_DEVICE inline float to_float(E4m3 number) {
    const std::uint32_t exponent = number.bits >> 3 & 15u;
    const std::uint32_t fraction = number.bits & 7u;
    std::uint32_t bits = (exponent + 127 - 7) << 23 | fraction << 20;
    if (exponent == 15 && fraction == 7) bits = 0x7FC0'0000u;
    if (exponent == 0) {
        const float small = static_cast<float>(fraction) * 0x1p-9f;
        std::memcpy(&bits, &small, sizeof bits);
    }
    bits |= (number.bits & 0x80u) << 24;
    float size;
    std::memcpy(&size, &bits, sizeof size);
    return size;
}

// To the nearest, of two as near to the even one; what is larger than the largest becomes that, and
// what is no number stays none.
CASC_HOST_AND_DEVICE inline E4m3 e4m3_of(float number) {
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    const std::uint32_t sign = bits >> 24 & 0x80u;
    bits &= 0x7FFF'FFFFu;
    std::uint32_t size = 0x7F;
    if (bits < 0x3C80'0000u) {  // 2^-6: below there is one exponent
        float small;
        std::memcpy(&small, &bits, sizeof small);
        size = static_cast<std::uint32_t>(rintf(small * 0x1p9f));
    } else if (bits <= 0x7F80'0000u) {
        const std::uint32_t rounded = (bits + 0x7FFFFu + (bits >> 20 & 1u)) >> 20;
        size = rounded - ((127 - 7) << 3);
        if (size > 0x7E) size = 0x7E;
    }
    return {static_cast<std::uint8_t>(sign | size)};
}

}  // namespace casc::gpu
