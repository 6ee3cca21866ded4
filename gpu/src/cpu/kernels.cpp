#include "cpu/kernels.hpp"

#include "cpu/half.hpp"

#include <array>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace casc::gpu::cpu {
namespace {

#if defined(__x86_64__)
// CPUID 1, ECX bit 29 (F16C), by hand: clang 14's __builtin_cpu_supports() does not know it.
bool widens_f16() {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 29 & 1) != 0;
}
#endif

struct UsableKernels {
    std::array<const Kernels*, 3> kernels{};
    std::size_t count = 0;

    void add(const Kernels& kernel) { kernels[count++] = &kernel; }
    UsableKernels() {
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
            add(detail::kAvx512);
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && widens_f16())
            add(detail::kAvx2);
#endif
        add(detail::kPortable);
    }
};

template <class Number>
Number number_at(const std::byte* from, std::size_t index) {
    Number number;
    std::memcpy(&number, from + index * sizeof number, sizeof number);
    return number;
}

}  // namespace

std::span<const Kernels* const> usable_kernels() noexcept {
    static const UsableKernels usable;
    return std::span(usable.kernels).first(usable.count);
}

void widen(ElementType type, const std::byte* from, std::size_t count, float* to) {
    if (type == ElementType::f32) {
        std::memcpy(to, from, count * sizeof *to);
    } else if (type == ElementType::bf16) {
        for (std::size_t i = 0; i < count; ++i)
            to[i] = from_bf16(number_at<std::uint16_t>(from, i));
    } else {
        for (std::size_t i = 0; i < count; ++i)
            to[i] = from_f16(number_at<std::uint16_t>(from, i));
    }
}

}  // namespace casc::gpu::cpu
