#pragma once
// token_weight.hpp: what a token weighs against the most likely one, as a whole number: 2^40 times
// its share. Nothing but multiplications and additions in 64 bits, each rounded by itself, so that
// a processor and a GPU come to the same number.

#include "host_and_device.hpp"

#include <cstdint>

namespace casc::gpu {

namespace detail {

// A compiler may make one operation of a product and a sum, with one rounding; of these the
// device's may not, and the processor's does not where it has no such instruction by default
// (x86-64).
CASC_HOST_AND_DEVICE inline double times_plus(double a, double b, double c) noexcept {
#ifdef __CUDA_ARCH__
    return __dadd_rn(__dmul_rn(a, b), c);
#else
    return a * b + c;
#endif
}

}  // namespace detail

// Tokens less likely than 2^-40 of the most likely one weigh nothing.
inline constexpr double kLeastExponent = -40;

// 2^(40 + exponent), rounded down; of an exponent in [kLeastExponent, 0].
CASC_HOST_AND_DEVICE inline std::uint64_t token_weight(double exponent) noexcept {
    // 2^x = 2^whole * e^(ln 2 * rest), with the rest in [-1/2, 1/2]: the first terms of its series
    // are off by less than 2^-52.
    const int whole = static_cast<int>(exponent - 0.5);
    const double rest = exponent - whole;
    double sum = 2.5678435993488196e-11;  // ln(2)^12 / 12!
    sum = detail::times_plus(sum, rest, 4.44553827187081e-10);
    sum = detail::times_plus(sum, rest, 7.054911620801121e-09);
    sum = detail::times_plus(sum, rest, 1.0178086009239696e-07);
    sum = detail::times_plus(sum, rest, 1.3215486790144305e-06);
    sum = detail::times_plus(sum, rest, 1.5252733804059838e-05);
    sum = detail::times_plus(sum, rest, 1.5403530393381606e-04);
    sum = detail::times_plus(sum, rest, 1.3333558146428441e-03);
    sum = detail::times_plus(sum, rest, 9.618129107628477e-03);
    sum = detail::times_plus(sum, rest, 5.550410866482157e-02);
    sum = detail::times_plus(sum, rest, 2.402265069591007e-01);
    sum = detail::times_plus(sum, rest, 6.931471805599453e-01);
    sum = detail::times_plus(sum, rest, 1.0);
    return static_cast<std::uint64_t>(sum * static_cast<double>(std::uint64_t{1} << (40 + whole)));
}

}  // namespace casc::gpu
