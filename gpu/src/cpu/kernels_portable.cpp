#include "cpu/half.hpp"
#include "cpu/kernels.hpp"

#include <cstdint>
#include <cstring>

// Registers of 16 bytes, which every processor of today has, in the compiler's own words.
#define CASC_KERNEL inline
#define CASC_KERNELS portable

namespace casc::gpu::cpu::portable {
namespace {

constexpr std::size_t kLanes = 4;
constexpr std::size_t kSums = 8;    // of 16 registers
constexpr std::size_t kInputs = 4;  // at a time
using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntVec = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));

CASC_KERNEL Vec load(const float* from) {
    Vec vec;
    std::memcpy(&vec, from, sizeof vec);
    return vec;
}
CASC_KERNEL void store(float* to, Vec vec) {
    std::memcpy(to, &vec, sizeof vec);
}
CASC_KERNEL Vec multiply_add(Vec a, Vec b, Vec c) {
    return a * b + c;
}
CASC_KERNEL Vec load_bf16(const std::byte* from) {
    std::uint16_t bits[kLanes];
    std::memcpy(bits, from, sizeof bits);
    return Vec{from_bf16(bits[0]), from_bf16(bits[1]), from_bf16(bits[2]), from_bf16(bits[3])};
}
CASC_KERNEL Vec load_f16(const std::byte* from) {
    std::uint16_t bits[kLanes];
    std::memcpy(bits, from, sizeof bits);
    return Vec{from_f16(bits[0]), from_f16(bits[1]), from_f16(bits[2]), from_f16(bits[3])};
}

}  // namespace
}  // namespace casc::gpu::cpu::portable

#include "cpu/kernels_body.hpp"

namespace casc::gpu::cpu {
const Kernels detail::kPortable{"portable", portable::multiply, portable::blend,
                                portable::to_shares, portable::gate};
}
