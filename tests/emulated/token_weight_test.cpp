#include "token_weight.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace casc::gpu;

TEST_CASE("emulated/token_weight: 2^40 times the share, as the library's exp2 has it") {
    CHECK(token_weight(0) == std::uint64_t{1} << 40);
    CHECK(token_weight(-1) == std::uint64_t{1} << 39);
    CHECK(token_weight(kLeastExponent) == 1);
    std::uint64_t before = token_weight(0);
    for (double exponent = 0; exponent >= kLeastExponent; exponent -= 0.00093) {
        const std::uint64_t weight = token_weight(exponent);
        CHECK(weight <= before);
        CHECK(std::abs(static_cast<double>(weight) - 0x1p40 * std::exp2(exponent)) <= 1);
        before = weight;
    }
}
