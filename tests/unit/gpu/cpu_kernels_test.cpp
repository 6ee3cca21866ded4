// The inner loops of the CPU backend: all kinds that this processor can run, at all sizes around
// those of registers and tiles.

#include "cpu/half.hpp"
#include "cpu/kernels.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace casc::gpu;
using namespace casc::gpu::cpu;

namespace {

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_floats(std::size_t count, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> numbers(count);
    for (float& number : numbers)
        number = normal(random);
    return numbers;
}

// Numbers of a type, at an odd address, as in a file.
struct OddMatrix {
    std::vector<std::byte> memory;
    WeightMatrix matrix;

    OddMatrix(ElementType type, std::size_t rows, std::size_t columns, std::mt19937& random)
        : memory(rows * columns * element_bytes(type) + 1),
          matrix{rows, columns, type, memory.data() + 1} {
        for (std::size_t i = 0; i < rows * columns; ++i) {
            const float number = random_floats(1, random)[0];
            std::uint16_t half = 0;
            // 1.0 to 1.99 with a sign, for f16; the upper half of a float, for bf16.
            if (type == ElementType::f16)
                half = static_cast<std::uint16_t>(0x3c00 | (random() & 0x83ff));
            if (type == ElementType::bf16)
                std::memcpy(&half, reinterpret_cast<const std::byte*>(&number) + 2, sizeof half);
            if (type == ElementType::f32)
                std::memcpy(memory.data() + 1 + i * 4, &number, 4);
            else
                std::memcpy(memory.data() + 1 + i * 2, &half, 2);
        }
    }
    [[nodiscard]] std::vector<float> floats() const {
        std::vector<float> numbers(matrix.rows * matrix.columns);
        widen(matrix.type, matrix.data, numbers.size(), numbers.data());
        return numbers;
    }
};

// What is no number is off, too.
bool is_off(double exact, float found, double tolerance) {
    return !(std::abs(exact - static_cast<double>(found)) <= tolerance);
}

double exact_product(const float* row, const float* in, std::size_t columns) {
    double sum = 0;
    for (std::size_t i = 0; i < columns; ++i)
        sum += static_cast<double>(row[i]) * static_cast<double>(in[i]);
    return sum;
}

}  // namespace

TEST_CASE("gpu/cpu_kernels: floats of 16 bits are widened exactly") {
    CHECK(from_bf16(0x3f80) == 1.0f);
    CHECK(from_bf16(0xc000) == -2.0f);
    CHECK(std::isnan(from_bf16(0x7fc0)));
    CHECK(from_f16(0x3c00) == 1.0f);
    CHECK(from_f16(0xc500) == -5.0f);
    CHECK(from_f16(0x7bff) == 65504.0f);
    CHECK(from_f16(0x0001) == 0x1p-24f);
    CHECK(from_f16(0x03ff) == 0x1p-14f - 0x1p-24f);
    CHECK(from_f16(0x0400) == 0x1p-14f);
    CHECK(std::signbit(from_f16(0x8000)));
    CHECK(from_f16(0x7c00) == kInfinity);
    CHECK(from_f16(0xfc00) == -kInfinity);
    CHECK(std::isnan(from_f16(0x7e00)));
}

TEST_CASE("gpu/cpu_kernels: the processor widens all floats of 16 bits in the same way") {
    std::vector<std::byte> all(2 << 16);
    for (std::uint32_t bits = 0; bits < 1 << 16; ++bits)
        std::memcpy(&all[2 * bits], &bits, 2);
    const float one = 1;
    for (const Kernels* kernels : usable_kernels())
        for (const ElementType type : {ElementType::bf16, ElementType::f16}) {
            CAPTURE(kernels->name);
            std::vector<float> expected(1 << 16);
            widen(type, all.data(), expected.size(), expected.data());
            std::vector<float> found(expected.size());
            kernels->multiply({expected.size(), 1, type, all.data()}, {&one, 1, 1},
                              {found.data(), found.size()});
            std::size_t different = 0;
            for (std::size_t i = 0; i < found.size(); ++i)
                different +=
                    found[i] != expected[i] && !(std::isnan(found[i]) && std::isnan(expected[i]));
            CHECK(different == 0);
        }
}

TEST_CASE("gpu/cpu_kernels: products are right at every size, whatever is beside them") {
    std::mt19937 random(1);
    for (const Kernels* kernels : usable_kernels())
        for (const ElementType type : {ElementType::f32, ElementType::bf16, ElementType::f16})
            for (const std::size_t columns : {1u, 3u, 7u, 8u, 15u, 16u, 17u, 33u, 64u, 67u}) {
                CAPTURE(kernels->name);
                CAPTURE(columns);
                const OddMatrix odd(type, 26, columns, random);
                const std::vector<float> weights = odd.floats();
                const std::size_t stride = columns + 3;
                const std::vector<float> in = random_floats(19 * stride, random);
                std::size_t off = 0;
                std::size_t different = 0;
                for (std::size_t count = 1; count <= 19; ++count) {
                    std::vector<float> out(count * 30, kNotANumber);
                    kernels->multiply(odd.matrix, {in.data(), stride, count}, {out.data(), 30});
                    for (std::size_t i = 0; i < count; ++i)
                        for (std::size_t r = 0; r < 26; ++r) {
                            const double exact =
                                exact_product(&weights[r * columns], &in[i * stride], columns);
                            const float found = out[i * 30 + r];
                            off += is_off(exact, found, 1e-4);
                            float alone = 0;
                            kernels->multiply(odd.matrix.rows_from(r, 1),
                                              {&in[i * stride], stride, 1}, {&alone, 1});
                            different += alone != found;
                        }
                }
                CHECK(off == 0);
                CHECK(different == 0);
            }
}

TEST_CASE("gpu/cpu_kernels: blends are right at every size") {
    std::mt19937 random(2);
    for (const Kernels* kernels : usable_kernels())
        for (std::size_t size = 1; size < 140; size += 5)
            for (const std::size_t count : {1u, 2u, 9u, 50u}) {
                const auto shares = random_floats(count, random);
                const auto values = random_floats(count * (size + 1), random);
                std::vector<float> out(size + 1, 7);
                kernels->blend(shares.data(), {values.data(), size + 1, count}, size, out.data());
                std::size_t off = 0;
                for (std::size_t i = 0; i < size; ++i) {
                    double exact = 0;
                    for (std::size_t j = 0; j < count; ++j)
                        exact += static_cast<double>(shares[j]) *
                                 static_cast<double>(values[j * (size + 1) + i]);
                    off += is_off(exact, out[i], 1e-5);
                }
                CHECK(off == 0);
                CHECK(out[size] == 7);
            }
}

TEST_CASE("gpu/cpu_kernels: shares add up to one, and far smaller ones are none") {
    std::mt19937 random(3);
    for (const Kernels* kernels : usable_kernels())
        for (std::size_t count = 1; count < 70; ++count) {
            const auto numbers = random_floats(count, random);
            double sum = 0;
            for (const float number : numbers)
                sum += std::exp(3.0 * static_cast<double>(number));
            auto shares = numbers;
            kernels->to_shares(shares.data(), count, 3);
            std::size_t off = 0;
            for (std::size_t i = 0; i < count; ++i)
                off +=
                    is_off(std::exp(3.0 * static_cast<double>(numbers[i])) / sum, shares[i], 1e-6);
            CHECK(off == 0);
            shares.assign(count, -3000.0f);
            shares[count / 2] = 5000;
            kernels->to_shares(shares.data(), count, 1);
            std::vector<float> only(count, 0);
            only[count / 2] = 1;
            CHECK(shares == only);
        }
}

TEST_CASE("gpu/cpu_kernels: what is no number makes all shares none") {
    for (const Kernels* kernels : usable_kernels())
        for (const float bad : {kNotANumber, kInfinity})
            for (const std::size_t at : {0u, 5u, 16u, 20u}) {
                CAPTURE(kernels->name);
                std::vector<float> shares(21, 0.5f);
                shares[at] = bad;
                kernels->to_shares(shares.data(), shares.size(), 1);
                std::size_t none = 0;
                for (const float share : shares)
                    none += std::isnan(share);
                CHECK(none == shares.size());
            }
}

TEST_CASE("gpu/cpu_kernels: gates open and close as they should, far out, too") {
    const std::vector<float> some = {0,   1e-6f, 0.5f, -0.5f, 3,   -3,    10,  -10, 20,
                                     -20, 50,    -50,  87,    -87, 88.5f, 500, -500};
    for (const Kernels* kernels : usable_kernels())
        for (std::size_t first = 0; first < some.size(); ++first) {
            CAPTURE(kernels->name);
            const std::vector<float> in(some.begin() + static_cast<std::ptrdiff_t>(first),
                                        some.end());
            const std::vector<float> up(in.size(), 2);
            auto out = in;
            kernels->gate(out.data(), up.data(), out.size());
            for (std::size_t i = 0; i < in.size(); ++i) {
                const auto x = static_cast<double>(in[i]);
                const double exact = 2 * x / (1 + std::exp(-x));
                CHECK(std::abs(static_cast<double>(out[i]) - exact) <=
                      1e-6 * std::abs(exact) + 1e-30);
            }
        }
    for (const Kernels* kernels : usable_kernels()) {
        std::array<float, 3> out{kNotANumber, kInfinity, 1};
        const std::array<float, 3> up{1, 1, kNotANumber};
        kernels->gate(out.data(), up.data(), out.size());
        CHECK(std::isnan(out[0]));
        CHECK(out[1] == kInfinity);
        CHECK(std::isnan(out[2]));
    }
}
