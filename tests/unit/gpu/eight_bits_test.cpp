// Numbers of 8 bits, all of them, and what becomes one.

#include "model/eight_bits.hpp"

#include "model/to_8_bits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

using namespace casc::gpu;

namespace {

// From the smallest to the largest, without those that are none and without the second zero.
std::vector<float> all_numbers() {
    std::vector<float> all;
    for (unsigned bits = 0; bits < 256; ++bits)
        if ((bits & 0x7F) != 0x7F && bits != 0x80)
            all.push_back(to_float(E4m3{static_cast<std::uint8_t>(bits)}));
    std::ranges::sort(all);
    return all;
}

std::vector<std::byte> bf16_of(std::initializer_list<float> numbers) {
    std::vector<std::byte> bytes;
    for (const float number : numbers) {
        const std::uint32_t bits = std::bit_cast<std::uint32_t>(number) >> 16;
        bytes.push_back(static_cast<std::byte>(bits & 0xFF));
        bytes.push_back(static_cast<std::byte>(bits >> 8));
    }
    return bytes;
}

}  // namespace

TEST_CASE("gpu/eight_bits: each of them is what the standard says, and becomes itself") {
    CHECK(to_float(E4m3{0x7E}) == 448);
    CHECK(to_float(E4m3{0x08}) == 0x1p-6f);
    CHECK(to_float(E4m3{0x01}) == 0x1p-9f);
    CHECK(to_float(E4m3{0x38}) == 1);
    CHECK(to_float(E4m3{0xBC}) == -1.5f);
    CHECK(std::isnan(to_float(E4m3{0x7F})));
    CHECK(std::isnan(to_float(E4m3{0xFF})));
    CHECK(all_numbers().size() == 253);
    for (unsigned bits = 0; bits < 256; ++bits) {
        CAPTURE(bits);
        CHECK(e4m3_of(to_float(E4m3{static_cast<std::uint8_t>(bits)})).bits == bits);
    }
}

TEST_CASE("gpu/eight_bits: a number becomes the nearest one, of two as near the even one") {
    const auto all = all_numbers();
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
        const float middle = (all[i] + all[i + 1]) / 2;
        CAPTURE(middle);
        const E4m3 found = e4m3_of(middle);
        CHECK((found.bits & 1) == 0);
        CHECK((to_float(found) == all[i] || to_float(found) == all[i + 1]));
        CHECK(to_float(e4m3_of(std::nextafter(middle, -1000.0f))) == all[i]);
        CHECK(to_float(e4m3_of(std::nextafter(middle, 1000.0f))) == all[i + 1]);
    }
}

TEST_CASE("gpu/eight_bits: what is too large is the largest, and what is no number stays none") {
    for (const float large : {449.0f, 480.0f, 1e30f, std::numeric_limits<float>::infinity()}) {
        CHECK(to_float(e4m3_of(large)) == 448);
        CHECK(to_float(e4m3_of(-large)) == -448);
    }
    CHECK(std::isnan(to_float(e4m3_of(std::numeric_limits<float>::quiet_NaN()))));
    CHECK(std::isnan(to_float(e4m3_of(-std::numeric_limits<float>::quiet_NaN()))));
    CHECK(to_float(e4m3_of(0x1p-11f)) == 0);
    CHECK(to_float(e4m3_of(std::numeric_limits<float>::denorm_min())) == 0);
}

TEST_CASE("gpu/eight_bits: of a matrix the largest number is the largest of 8 bits") {
    const auto numbers = bf16_of({0.5f, -3.5f, 0, 0.4375f, 3.5f / 448});
    Bf16Range range;
    range.include(numbers);
    range.include(bf16_of(
        {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1}));
    CHECK(range.scale() == 3.5f / 448);
    std::vector<std::byte> converted(5);
    To8Bits(range.scale()).convert(numbers.data(), converted);
    const auto at = [&](std::size_t i) {
        return to_float(E4m3{static_cast<std::uint8_t>(converted[i])});
    };
    CHECK(at(0) == 64);
    CHECK(at(1) == -448);
    CHECK(at(2) == 0);
    CHECK(at(3) == 56);
    CHECK(at(4) == 1);
}

TEST_CASE("gpu/eight_bits: a matrix of nothing but zeros has a scale") {
    Bf16Range range;
    range.include(bf16_of({0, -0.0f}));
    CHECK(range.scale() == 1);
}
