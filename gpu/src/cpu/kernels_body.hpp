// cpu/kernels_body.hpp: the kernels themselves. Included once for each kind of processor, by a file
// that says what a register is there (Vec, kLanes, load(), multiply_add() …), so no `#pragma once`.
//
// CASC_KERNEL is before every function: an attribute that lets the compiler use that processor's
// instructions, and without which those of Vec could not be inlined. For that reason there are no
// lambdas here, either.

#if defined(__clang__)
#define CASC_UNROLL _Pragma("unroll")
#else
#define CASC_UNROLL _Pragma("GCC unroll 16")
#endif

namespace casc::gpu::cpu::CASC_KERNELS {
namespace {

// ---- sums of products ---------------------------------------------------------------------------

struct OfFloats {
    static constexpr std::size_t kBytes = 4;
    CASC_KERNEL static Vec load_weights(const std::byte* from) {
        Vec vec;
        std::memcpy(&vec, from, sizeof vec);
        return vec;
    }
};
struct OfBf16 {
    static constexpr std::size_t kBytes = 2;
    CASC_KERNEL static Vec load_weights(const std::byte* from) { return load_bf16(from); }
};
struct OfF16 {
    static constexpr std::size_t kBytes = 2;
    CASC_KERNEL static Vec load_weights(const std::byte* from) { return load_f16(from); }
};

// The first `count` numbers, and zeros.
template <class Weights>
CASC_KERNEL Vec load_some_weights(const std::byte* from, std::size_t count) {
    std::byte all[kLanes * Weights::kBytes]{};
    std::memcpy(all, from, count * Weights::kBytes);
    return Weights::load_weights(all);
}
CASC_KERNEL Vec load_some(const float* from, std::size_t count) {
    float all[kLanes]{};
    std::memcpy(all, from, count * sizeof *from);
    return load(all);
}
CASC_KERNEL float sum_of(Vec vec) {
    float lanes[kLanes];
    store(lanes, vec);
    for (std::size_t half = kLanes / 2; half > 0; half /= 2)
        for (std::size_t i = 0; i < half; ++i)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

// A few rows times a few inputs, so that all their sums stay in registers: a weight is loaded and
// widened once for all inputs.
template <class Weights, std::size_t kTileRows, std::size_t kTileInputs>
CASC_KERNEL void multiply_tile(const std::byte* rows, std::size_t row_bytes, std::size_t columns,
                               const Inputs& in, const Outputs& out) {
    Vec sums[kTileRows][kTileInputs] = {};
    std::size_t at = 0;
    for (; at + kLanes <= columns; at += kLanes) {
        CASC_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
            const std::byte* const weights = rows + r * row_bytes + at * Weights::kBytes;
            // The rows of the next tile lie behind those of this one.
            if constexpr (kTileRows > 1) __builtin_prefetch(weights + kTileRows * row_bytes);
            const Vec row = Weights::load_weights(weights);
            CASC_UNROLL for (std::size_t i = 0; i < kTileInputs; ++i) {
                sums[r][i] = multiply_add(row, load(in.data + i * in.stride + at), sums[r][i]);
            }
        }
    }
    if (at < columns) {
        CASC_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
            const Vec row = load_some_weights<Weights>(rows + r * row_bytes + at * Weights::kBytes,
                                                       columns - at);
            CASC_UNROLL for (std::size_t i = 0; i < kTileInputs; ++i) {
                const Vec some = load_some(in.data + i * in.stride + at, columns - at);
                sums[r][i] = multiply_add(row, some, sums[r][i]);
            }
        }
    }
    CASC_UNROLL for (std::size_t r = 0; r < kTileRows; ++r) {
        CASC_UNROLL for (std::size_t i = 0; i < kTileInputs; ++i) {
            out.data[i * out.stride + r] = sum_of(sums[r][i]);
        }
    }
}

template <class Weights, std::size_t kTileInputs>
CASC_KERNEL void multiply_inputs(const WeightMatrix& matrix, const Inputs& in, const Outputs& out) {
    constexpr std::size_t kMost = kSums / kTileInputs;
    constexpr std::size_t kTileRows = kMost > 8 ? 8 : kMost;
    static_assert(kPanelRows % kTileRows == 0);
    const std::size_t row_bytes = matrix.row_bytes();
    std::size_t row = 0;
    for (; row + kTileRows <= matrix.rows; row += kTileRows)
        multiply_tile<Weights, kTileRows, kTileInputs>(matrix.data + row * row_bytes, row_bytes,
                                                       matrix.columns, in,
                                                       {out.data + row, out.stride});
    for (; row < matrix.rows; ++row)
        for (std::size_t i = 0; i < kTileInputs; ++i)
            multiply_tile<Weights, 1, 1>(matrix.data + row * row_bytes, row_bytes, matrix.columns,
                                         {in.data + i * in.stride, in.stride, 1},
                                         {out.data + row + i * out.stride, out.stride});
}

// As many of the inputs as a tile takes, or the next smaller one: of 8, 6, 4, 3, 2 and 1. (Of 5 and
// 7, too, would gain little for what it takes to compile them.)
template <class Weights, std::size_t kTileInputs = kInputs>
CASC_KERNEL std::size_t multiply_some(const WeightMatrix& matrix, const Inputs& in,
                                      const Outputs& out) {
    if constexpr (kTileInputs > 1) {
        constexpr std::size_t kSmaller = kTileInputs > 4 ? kTileInputs - 2 : kTileInputs - 1;
        if (in.count < kTileInputs) return multiply_some<Weights, kSmaller>(matrix, in, out);
    }
    multiply_inputs<Weights, kTileInputs>(matrix, in, out);
    return kTileInputs;
}

template <class Weights>
CASC_KERNEL void multiply_all(const WeightMatrix& matrix, Inputs in, Outputs out) {
    while (in.count > 0) {
        const std::size_t done = multiply_some<Weights>(matrix, in, out);
        in = {in.data + done * in.stride, in.stride, in.count - done};
        out.data += done * out.stride;
    }
}

CASC_KERNEL void multiply(const WeightMatrix& matrix, const Inputs& in, const Outputs& out) {
    if (matrix.type == ElementType::bf16) return multiply_all<OfBf16>(matrix, in, out);
    if (matrix.type == ElementType::f16) return multiply_all<OfF16>(matrix, in, out);
    multiply_all<OfFloats>(matrix, in, out);
}

// ---- blending -----------------------------------------------------------------------------------

template <std::size_t kVecs>
CASC_KERNEL void blend_vecs(const float* shares, const Inputs& values, float* out) {
    Vec sums[kVecs] = {};
    for (std::size_t j = 0; j < values.count; ++j) {
        const Vec share = Vec{} + shares[j];
        CASC_UNROLL for (std::size_t v = 0; v < kVecs; ++v) {
            const Vec value = load(values.data + j * values.stride + v * kLanes);
            sums[v] = multiply_add(share, value, sums[v]);
        }
    }
    CASC_UNROLL for (std::size_t v = 0; v < kVecs; ++v) {
        store(out + v * kLanes, sums[v]);
    }
}

CASC_KERNEL void blend_some(const float* shares, const Inputs& values, std::size_t size,
                            float* out) {
    Vec sum = {};
    for (std::size_t j = 0; j < values.count; ++j)
        sum =
            multiply_add(Vec{} + shares[j], load_some(values.data + j * values.stride, size), sum);
    float lanes[kLanes];
    store(lanes, sum);
    std::memcpy(out, lanes, size * sizeof *out);
}

CASC_KERNEL void blend(const float* shares, const Inputs& values, std::size_t size, float* out) {
    std::size_t at = 0;
    for (; at + 4 * kLanes <= size; at += 4 * kLanes)
        blend_vecs<4>(shares, {values.data + at, values.stride, values.count}, out + at);
    for (; at + kLanes <= size; at += kLanes)
        blend_vecs<1>(shares, {values.data + at, values.stride, values.count}, out + at);
    if (at < size)
        blend_some(shares, {values.data + at, values.stride, values.count}, size - at, out + at);
}

// ---- exponentials -------------------------------------------------------------------------------

// e^x to 2 units in the last place: 2^n * e^r with |r| <= ln(2) / 2, and e^r from its series. Where
// x is below -87.3 it is 0, which is before it would be denormal, and so it is of -infinity; where
// x is above 88 it stays e^88, somewhat below 2^127. Not a number stays none.
CASC_KERNEL Vec exp_of(Vec x) {
    constexpr float kLeast = -87.3f;
    constexpr float kMost = 88.0f;
    constexpr float kLog2E = 1.44269504f;
    constexpr float kLn2Upper = 0.693359375f;  // few bits, so that n times it is exact
    constexpr float kLn2Lower = -2.12194440e-4f;
    constexpr float kRounding = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
    const Vec none = {};
    const IntVec is_zero = x < none + kLeast;
    x = x > none + kMost ? none + kMost : x;
    x = x < none + kLeast ? none + kLeast : x;
    const Vec rounded = multiply_add(x, none + kLog2E, none + kRounding);
    const Vec n = rounded - kRounding;
    const Vec r = multiply_add(n, none - kLn2Lower, multiply_add(n, none - kLn2Upper, x));
    Vec sum = none + 1.0f / 5040;
    sum = multiply_add(sum, r, none + 1.0f / 720);
    sum = multiply_add(sum, r, none + 1.0f / 120);
    sum = multiply_add(sum, r, none + 1.0f / 24);
    sum = multiply_add(sum, r, none + 1.0f / 6);
    sum = multiply_add(sum, r, none + 0.5f);
    sum = multiply_add(sum, r, none + 1.0f);
    sum = multiply_add(sum, r, none + 1.0f);
    // The lowest bits of `rounded` count from those of kRounding; 2^n has n + 127 for an exponent.
    const IntVec exponent = ((IntVec)rounded - (IntVec)(none + kRounding) + 127) << 23;
    return is_zero ? none : sum * (Vec)exponent;
}

CASC_KERNEL float largest_of(const float* numbers, std::size_t count) {
    float largest = numbers[0];
    std::size_t at = 0;
    if (count >= kLanes) {
        Vec largests = load(numbers);
        for (; at + kLanes <= count; at += kLanes) {
            const Vec some = load(numbers + at);
            largests = some > largests ? some : largests;
        }
        float lanes[kLanes];
        store(lanes, largests);
        for (const float lane : lanes)
            largest = lane > largest ? lane : largest;
    }
    for (; at < count; ++at)
        largest = numbers[at] > largest ? numbers[at] : largest;
    return largest;
}

CASC_KERNEL void to_shares(float* numbers, std::size_t count, float scale) {
    const float largest = largest_of(numbers, count);
    Vec sums = {};
    std::size_t at = 0;
    for (; at + kLanes <= count; at += kLanes) {
        const Vec power = exp_of((load(numbers + at) - largest) * scale);
        store(numbers + at, power);
        sums = sums + power;
    }
    if (at < count) {
        float lanes[kLanes];
        for (std::size_t i = 0; i < kLanes; ++i)
            lanes[i] = at + i < count ? (numbers[at + i] - largest) * scale : -1000.0f;
        const Vec power = exp_of(load(lanes));
        sums = sums + power;
        store(lanes, power);
        std::memcpy(numbers + at, lanes, (count - at) * sizeof *numbers);
    }
    const float share = 1 / sum_of(sums);
    for (std::size_t i = 0; i < count; ++i)
        numbers[i] *= share;
}

CASC_KERNEL Vec gated(Vec value, Vec up) {
    const Vec none = {};
    return value / (exp_of(none - value) + 1.0f) * up;
}

CASC_KERNEL void gate(float* gates, const float* up, std::size_t count) {
    std::size_t at = 0;
    for (; at + kLanes <= count; at += kLanes)
        store(gates + at, gated(load(gates + at), load(up + at)));
    if (at == count) return;
    float lanes[kLanes];
    store(lanes, gated(load_some(gates + at, count - at), load_some(up + at, count - at)));
    std::memcpy(gates + at, lanes, (count - at) * sizeof *gates);
}

}  // namespace
}  // namespace casc::gpu::cpu::CASC_KERNELS

#undef CASC_UNROLL
#undef CASC_KERNELS
#undef CASC_KERNEL
