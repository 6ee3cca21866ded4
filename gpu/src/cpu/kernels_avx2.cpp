#if defined(__x86_64__)

#include "cpu/kernels.hpp"

#include <cstdint>
#include <cstring>
#include <immintrin.h>

// Compiled for these processors alone: nobody calls it before asking (usable_kernels()).
#define CASC_KERNEL __attribute__((target("avx2,fma,f16c"))) inline
#define CASC_KERNELS avx2

namespace casc::gpu::cpu::avx2 {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kSums = 12;   // of 16 registers: one for weights, and some to spare
constexpr std::size_t kInputs = 4;  // at a time
using Vec = __m256;
using IntVec = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));

CASC_KERNEL Vec load(const float* from) {
    return _mm256_loadu_ps(from);
}
CASC_KERNEL void store(float* to, Vec vec) {
    _mm256_storeu_ps(to, vec);
}
CASC_KERNEL Vec multiply_add(Vec a, Vec b, Vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
CASC_KERNEL __m128i load_halves(const std::byte* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
CASC_KERNEL Vec load_bf16(const std::byte* from) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_halves(from)), 16));
}
CASC_KERNEL Vec load_f16(const std::byte* from) {
    return _mm256_cvtph_ps(load_halves(from));
}

}  // namespace
}  // namespace casc::gpu::cpu::avx2

#include "cpu/kernels_body.hpp"

namespace casc::gpu::cpu {
const Kernels detail::kAvx2{"avx2", avx2::multiply, avx2::blend, avx2::to_shares, avx2::gate};
}

#endif
