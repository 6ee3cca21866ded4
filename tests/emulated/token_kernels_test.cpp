// What is done to each token by itself, with the scales that numbers of 8 bits have: against the
// same in plain words.

#include "cuda/token_kernels.cuh"

#include "cuda/api.hpp"
#include "emulated_cuda.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace casc::gpu;
using namespace casc::gpu::cuda;

namespace {

using Floats = std::vector<float>;

constexpr std::uint32_t kTokens = 5;

struct KernelFixture {
    Stream stream;
    SlabLayout layout{.rows_max = kTokens, .tokens_max = kTokens};
    std::vector<std::byte> memory = std::vector<std::byte>(layout.bytes());
    StepSlab slab{memory.data(), layout};
    std::mt19937 random{12};

    KernelFixture() {
        emulated_cuda::reset();
        auto made = make_stream();
        REQUIRE(made);
        stream = std::move(*made);
        *slab.counts() = {.tokens = kTokens, .lone_tokens = kTokens, .rows = kTokens};
        for (std::uint32_t i = 0; i < kTokens; ++i) {
            slab.tokens()[i] = {.token = 0, .slot = i, .position = 2 * i, .is_beyond = 0};
            slab.rows()[i] = {.token = kTokens - 1 - i};
        }
    }
    void wait() { REQUIRE(cudaStreamSynchronize(stream.get()) == cudaSuccess); }
    Floats numbers(std::size_t count, float size) {
        std::normal_distribution<float> draw(0, size);
        Floats all(count);
        for (float& one : all)
            one = draw(random);
        return all;
    }
    // Of each token another size, so that a wrong token's scale is far off.
    Floats numbers_of_tokens(std::size_t columns) {
        Floats all;
        for (std::uint32_t i = 0; i < kTokens; ++i) {
            const Floats one = numbers(columns, std::pow(10.0f, static_cast<float>(i) - 2));
            all.insert(all.end(), one.begin(), one.end());
        }
        return all;
    }
};

std::vector<Bf16> to_bf16(const Floats& numbers) {
    std::vector<Bf16> rounded;
    for (const float number : numbers)
        rounded.push_back(from_float<Bf16>(number));
    return rounded;
}

// Of one token: what is stored, times its scale, is within half of a unit of 8 bits, and the
// largest number is stored as the largest there is.
void check_8_bits(const E4m3* stored, float scale, const Floats& wanted) {
    float largest = 0;
    float largest_stored = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const float is = to_float(stored[i]) * scale;
        CHECK(std::abs(is - wanted[i]) <= std::abs(wanted[i]) * 0.066f + scale * 0x1p-9f);
        largest = std::max(largest, std::abs(wanted[i]));
        largest_stored = std::max(largest_stored, std::abs(to_float(stored[i])));
    }
    CHECK(largest_stored == kE4m3Largest);
    CHECK(scale == doctest::Approx(largest / kE4m3Largest).epsilon(0.01));
}

Floats row_of(const Floats& all, std::size_t row, std::size_t columns) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(row * columns);
    return {begin, begin + static_cast<std::ptrdiff_t>(columns)};
}

}  // namespace

TEST_CASE_FIXTURE(KernelFixture,
                  "emulated/token_kernels: the norm adds what was left over, and makes 8 bits") {
    // Fewer than a block's threads, some for each, and more than it keeps in registers.
    for (const std::uint32_t hidden : {64u, 1040u, 4640u}) {
        CAPTURE(hidden);
        Floats states = numbers_of_tokens(hidden);
        const Floats addend = numbers(kTokens * hidden, 1);
        const Floats scales = {0.01f, 0.1f, 1, 10, 100};
        const Floats norm = numbers(hidden, 1);
        std::vector<E4m3> normed(kTokens * hidden);
        Floats normed_scales(kTokens);
        Floats wanted_states = states;
        for (std::size_t i = 0; i < states.size(); ++i)
            wanted_states[i] += addend[i] * scales[i / hidden];
        normalise<E4m3>(stream.get(), kTokens, slab, false, states.data(),
                        {addend.data(), scales.data()}, norm.data(), hidden, 1e-5f,
                        {.normed = normed.data(), .scales = normed_scales.data()});
        wait();
        CHECK(states == wanted_states);
        for (std::uint32_t token = 0; token < kTokens; ++token) {
            Floats wanted = row_of(states, token, hidden);
            double squares = 0;
            for (const float number : wanted)
                squares += static_cast<double>(number) * number;
            const auto scale = static_cast<float>(1 / std::sqrt(squares / hidden + 1e-5));
            for (std::uint32_t i = 0; i < hidden; ++i)
                wanted[i] *= scale * norm[i];
            check_8_bits(&normed[token * hidden], normed_scales[token], wanted);
        }
    }
}

TEST_CASE_FIXTURE(KernelFixture, "emulated/token_kernels: the last norm is of rows, and exact") {
    constexpr std::uint32_t kHidden = 96;
    Floats states = numbers_of_tokens(kHidden);
    const Floats addend = numbers(kTokens * kHidden, 1);
    const Floats scales = {0.01f, 0.1f, 1, 10, 100};
    const Floats norm(kHidden, 2);
    std::vector<Bf16> normed(kTokens * kHidden);
    Floats exact(kTokens * kHidden);
    normalise<Bf16>(stream.get(), kTokens, slab, true, states.data(),
                    {addend.data(), scales.data()}, norm.data(), kHidden, 0,
                    {.normed = normed.data(), .exact = exact.data()});
    wait();
    for (std::uint32_t row = 0; row < kTokens; ++row) {
        const Floats state = row_of(states, kTokens - 1 - row, kHidden);
        double squares = 0;
        for (const float number : state)
            squares += static_cast<double>(number) * number;
        for (std::uint32_t i = 0; i < kHidden; ++i) {
            const auto wanted = static_cast<float>(2 * state[i] / std::sqrt(squares / kHidden));
            CHECK(exact[row * kHidden + i] == doctest::Approx(wanted).epsilon(1e-4));
            CHECK(to_float(normed[row * kHidden + i]) == doctest::Approx(wanted).epsilon(0.005));
        }
    }
}

TEST_CASE_FIXTURE(KernelFixture,
                  "emulated/token_kernels: 16 bits become 8, each token for itself") {
    for (const std::uint32_t columns : {16u, 1040u}) {
        const auto numbers = to_bf16(numbers_of_tokens(columns));
        std::vector<E4m3> stored(kTokens * columns);
        Floats scales(kTokens);
        to_8_bits(stream.get(), kTokens, numbers.data(), columns, stored.data(), scales.data());
        wait();
        for (std::uint32_t token = 0; token < kTokens; ++token) {
            Floats wanted;
            for (std::uint32_t i = 0; i < columns; ++i)
                wanted.push_back(to_float(numbers[token * columns + i]));
            check_8_bits(&stored[token * columns], scales[token], wanted);
        }
    }
}

TEST_CASE_FIXTURE(KernelFixture,
                  "emulated/token_kernels: next to nothing becomes nothing, and none stays") {
    std::vector<Bf16> numbers(kTokens * 16, Bf16{0});
    numbers[3] = from_float<Bf16>(1e-37f);
    numbers[16 + 5] = Bf16{0x7FC0};
    numbers[16 + 6] = from_float<Bf16>(3);
    numbers[32 + 1] = Bf16{0x7F80};
    std::vector<E4m3> stored(numbers.size());
    Floats scales(kTokens);
    to_8_bits(stream.get(), kTokens, numbers.data(), 16, stored.data(), scales.data());
    wait();
    for (std::size_t i = 0; i < 16; ++i)
        CHECK(to_float(stored[i]) == 0);
    CHECK(std::isnan(to_float(stored[16 + 5])));
    CHECK(to_float(stored[16 + 6]) == kE4m3Largest);
    CHECK(std::isnan(to_float(stored[32 + 1])));  // what is infinite is none
    CHECK(scales[3] == 1);
}

TEST_CASE_FIXTURE(KernelFixture,
                  "emulated/token_kernels: keys and values have their token's scale") {
    const HeadShape shape{.heads = 2, .kv_heads = 1, .head_size = 8, .context_tokens = 16};
    constexpr std::uint32_t kSize = 4 * 8;  // two heads of queries, keys and values
    const Floats scales = {0.5f, 2, 8, 32, 128};
    auto qkv = to_bf16(numbers(kTokens * kSize, 1));
    const auto before = qkv;
    // A quarter turn: the first half becomes the second.
    Floats turns(16 * 8);
    for (std::size_t i = 0; i < turns.size(); ++i)
        turns[i] = i % 2 == 0 ? 0.0f : 1.0f;
    std::vector<Bf16> keys(kTokens * 16 * 8);
    std::vector<Bf16> values(kTokens * 16 * 8);
    constexpr std::uint32_t kFirst = 1;  // who is before it is left alone
    place(stream.get(), kFirst, kTokens - kFirst, slab, shape, {turns.data(), scales.data()},
          qkv.data(), keys.data(), values.data());
    wait();
    for (std::size_t i = 0; i < kSize; ++i)
        CHECK(qkv[i].bits == before[i].bits);
    for (std::uint32_t token = kFirst; token < kTokens; ++token)
        for (std::uint32_t head = 0; head < 4; ++head)
            for (std::uint32_t i = 0; i < 8; ++i) {
                const std::size_t at = token * kSize + head * 8;
                const auto was = [&](std::size_t k) { return to_float(before[at + k]); };
                const float turned = i < 4 ? -was(i + 4) : was(i - 4);
                const std::size_t place = (token * 16 + 2 * token) * 8 + i;
                const float is = to_float(head < 2    ? qkv[at + i]
                                          : head == 2 ? keys[place]
                                                      : values[place]);
                CHECK(is == (head < 3 ? turned : was(i)) * scales[token]);
            }
}

TEST_CASE_FIXTURE(KernelFixture, "emulated/token_kernels: gates have their token's scale") {
    const Floats scales = {0.5f, 2, 8, 0.125f, 1};
    // Of one block, of part of a second one, and of several.
    for (const std::uint32_t inner : {48u, 2056u, 6144u}) {
        CAPTURE(inner);
        const Floats exact = numbers(kTokens * 2 * inner, 1);
        const auto both = to_bf16(exact);
        std::vector<Bf16> gated(kTokens * inner);
        Floats gated_exactly(kTokens * inner);
        gate(stream.get(), kTokens, both.data(), scales.data(), inner, gated.data());
        gate(stream.get(), kTokens, exact.data(), nullptr, inner, gated_exactly.data());
        wait();
        const auto silu = [](float number) { return number / (1 + std::exp(-number)); };
        for (std::uint32_t token = 0; token < kTokens; ++token)
            for (std::uint32_t i = 0; i < inner; ++i) {
                const std::size_t at = token * 2 * inner + i;
                CHECK(to_float(gated[token * inner + i]) ==
                      doctest::Approx(silu(to_float(both[at]) * scales[token]) *
                                      to_float(both[at + inner]) * scales[token])
                          .epsilon(0.005));
                CHECK(gated_exactly[token * inner + i] ==
                      doctest::Approx(silu(exact[at]) * exact[at + inner]).epsilon(1e-5));
            }
    }
}
