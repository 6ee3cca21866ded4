#pragma once
// cpu/kernels.hpp: the inner loops of the CPU backend, once for each kind of processor.
//
// The same numbers come out whatever is computed beside them: of multiply() each output is the sum
// of its products in the order of the columns, in as many partial sums as a register has lanes,
// which are added up last; neither how many rows nor how many inputs there are changes that. The
// kinds of processors differ from each other in the last bits.

#include <casc/gpu/model_weights.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace casc::gpu::cpu {

// Numbers of several tokens, each `stride` behind the one before.
struct Inputs {
    const float* data;
    std::size_t stride;
    std::size_t count;
};
struct Outputs {
    float* data;
    std::size_t stride;
};

// Thread: any.
struct Kernels {
    std::string_view name;  // avx512, avx2, portable
    // out[input][row] = the row times the input. Reads the matrix from memory once, if it fits the
    // cache of a core.
    void (*multiply)(const WeightMatrix& matrix, const Inputs& in, const Outputs& out);
    // out[i] = the sum over rows j of shares[j] * values[j][i], in the order of j.
    void (*blend)(const float* shares, const Inputs& values, std::size_t size, float* out);
    // Turns numbers into shares of 1: exp(scale * (x - largest)), divided by the sum of them.
    // Not a number anywhere makes all of them none.
    void (*to_shares)(float* numbers, std::size_t count, float scale);
    // gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i]
    void (*gate)(float* gate, const float* up, std::size_t count);
};

// Those that this processor can run, the best one first.
[[nodiscard]] std::span<const Kernels* const> usable_kernels() noexcept;

// Rows that belong together as a piece of work: whole tiles of every kernel, and mostly small
// enough for the cache nearest to a core but one.
inline constexpr std::size_t kPanelRows = 24;

// Any of the kinds of numbers that weights have, as floats.
void widen(ElementType type, const std::byte* from, std::size_t count, float* to);

namespace detail {
extern const Kernels kPortable;
#if defined(__x86_64__)
extern const Kernels kAvx2;
extern const Kernels kAvx512;
#endif
}  // namespace detail

}  // namespace casc::gpu::cpu
