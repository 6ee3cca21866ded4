#if defined(__x86_64__)

#include "cpu/kernels.hpp"

#include <cstdint>
#include <cstring>
#include <immintrin.h>

// Compiled for these processors alone: nobody calls it before asking (usable_kernels()).
#define CASC_KERNEL __attribute__((target("avx512f,avx512bw"))) inline
#define CASC_KERNELS avx512

namespace casc::gpu::cpu::avx512 {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kSums = 24;   // of 32 registers: the others hold weights and an input
constexpr std::size_t kInputs = 8;  // at a time
using Vec = __m512;
using IntVec = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));

CASC_KERNEL Vec load(const float* from) {
    return _mm512_loadu_ps(from);
}
CASC_KERNEL void store(float* to, Vec vec) {
    _mm512_storeu_ps(to, vec);
}
CASC_KERNEL Vec multiply_add(Vec a, Vec b, Vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
CASC_KERNEL __m256i load_halves(const std::byte* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
// With a mask that lets everything through and costs nothing: the forms without one make GCC 12
// warn of a variable of its own header (GCC bug 105593).
constexpr __mmask16 kAll = 0xffff;
CASC_KERNEL Vec load_bf16(const std::byte* from) {
    const __m512i wide = _mm512_maskz_cvtepu16_epi32(kAll, load_halves(from));
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(kAll, wide, 16));
}
CASC_KERNEL Vec load_f16(const std::byte* from) {
    return _mm512_maskz_cvtph_ps(kAll, load_halves(from));
}

}  // namespace
}  // namespace casc::gpu::cpu::avx512

#include "cpu/kernels_body.hpp"

namespace casc::gpu::cpu {
const Kernels detail::kAvx512{"avx512", avx512::multiply, avx512::blend, avx512::to_shares,
                              avx512::gate};
}

#endif
