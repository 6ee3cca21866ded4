#include "cuda/launch.cuh"
#include "cuda/reduce.cuh"
#include "cuda/token_kernels.cuh"

#include <type_traits>

namespace casc::gpu::cuda {
namespace {

constexpr unsigned kThreads = 256;

template <class T>
__global__ void embed_kernel(StepSlab slab, const T* embedding, std::uint32_t hidden,
                             float* states) {
    const std::uint32_t token = blockIdx.x;
    if (token >= slab.counts()->tokens) return;
    const T* const row = embedding + static_cast<std::size_t>(slab.tokens()[token].token) * hidden;
    float* const state = states + static_cast<std::size_t>(token) * hidden;
    for (std::uint32_t i = threadIdx.x; i < hidden; i += kThreads)
        state[i] = to_float(row[i]);
}

// Four numbers, read or written at once.
template <class T>
struct alignas(4 * sizeof(T)) Four {
    T numbers[4];
};

// Which makes the largest of a token's numbers the largest that 8 bits have. Numbers that are next
// to nothing become nothing: one divided by their scale would be infinite.
__device__ float scale_for(float largest) {
    return largest > 1e-30f ? largest / kE4m3Largest : 1;
}

// "Root Mean Square Layer Normalization", arxiv.org/abs/1910.07467. States of up to 4096 numbers
// stay in registers between the sum and what is written.
template <class T>
__global__ void __launch_bounds__(kThreads)
    normalise_kernel(StepSlab slab, bool of_rows, float* __restrict__ states, Addend addend,
                     const float* __restrict__ norm, std::uint32_t hidden, float epsilon,
                     NormOutput output) {
    constexpr std::uint32_t kKept = 4;
    const std::uint32_t item = blockIdx.x;
    if (item >= (of_rows ? slab.counts()->rows : slab.counts()->tokens)) return;
    const std::uint32_t token = of_rows ? slab.rows()[item].token : item;
    const std::uint32_t fours = hidden / 4;
    const std::size_t first = static_cast<std::size_t>(token) * hidden;
    auto* const state = reinterpret_cast<Four<float>*>(states + first);
    const auto* const scales = reinterpret_cast<const Four<float>*>(norm);
    const std::size_t out = static_cast<std::size_t>(item) * fours;
    if (addend.numbers != nullptr) {
        const auto* const more = reinterpret_cast<const Four<float>*>(addend.numbers + first);
        const float by = addend.scales[token];
        // Each thread reads again below what it has written itself.
        for (std::uint32_t i = threadIdx.x; i < fours; i += kThreads)
#pragma unroll
            for (int k = 0; k < 4; ++k)
                state[i].numbers[k] += more[i].numbers[k] * by;
    }
    Four<float> kept[kKept];
    float squares = 0;
#pragma unroll
    for (std::uint32_t k = 0; k < kKept; ++k) {
        const std::uint32_t i = threadIdx.x + k * kThreads;
        if (i < fours) kept[k] = state[i];
    }
    const auto for_each = [&](auto&& what) {
#pragma unroll
        for (std::uint32_t k = 0; k < kKept; ++k)
            if (threadIdx.x + k * kThreads < fours) what(threadIdx.x + k * kThreads, kept[k]);
        for (std::uint32_t i = threadIdx.x + kKept * kThreads; i < fours; i += kThreads)
            what(i, state[i]);
    };
    for_each([&](std::uint32_t, const Four<float>& from) {
        for (const float number : from.numbers)
            squares += number * number;
    });
    squares = reduce_block<kThreads>(squares, Sum());
    const float scale = rsqrtf(squares / static_cast<float>(hidden) + epsilon);
    float to_stored = 1;
    if constexpr (std::is_same_v<T, E4m3>) {
        float largest = 0;
        for_each([&](std::uint32_t i, const Four<float>& from) {
#pragma unroll
            for (int k = 0; k < 4; ++k)
                largest = Maximum()(largest, fabsf(from.numbers[k] * scale * scales[i].numbers[k]));
        });
        const float stored = scale_for(reduce_block<kThreads>(largest, Maximum()));
        if (threadIdx.x == 0) output.scales[item] = stored;
        to_stored = 1 / stored;
    }
    for_each([&](std::uint32_t i, const Four<float>& from) {
        const Four<float> by = scales[i];
        Four<T> rounded;
        Four<float> numbers;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            numbers.numbers[k] = from.numbers[k] * scale * by.numbers[k];
            rounded.numbers[k] = from_float<T>(numbers.numbers[k] * to_stored);
        }
        static_cast<Four<T>*>(output.normed)[out + i] = rounded;
        if (output.exact != nullptr)
            reinterpret_cast<Four<float>*>(output.exact)[out + i] = numbers;
    });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    to_8_bits_kernel(const T* __restrict__ numbers, std::uint32_t columns, E4m3* __restrict__ out,
                     float* __restrict__ scales) {
    const std::size_t first = static_cast<std::size_t>(blockIdx.x) * columns;
    const auto* const from = reinterpret_cast<const Four<T>*>(numbers + first);
    auto* const to = reinterpret_cast<Four<E4m3>*>(out + first);
    float largest = 0;
    for (std::uint32_t i = threadIdx.x; i < columns / 4; i += kThreads)
        for (const T number : from[i].numbers)
            largest = Maximum()(largest, fabsf(to_float(number)));
    const float scale = scale_for(reduce_block<kThreads>(largest, Maximum()));
    if (threadIdx.x == 0) scales[blockIdx.x] = scale;
    const float to_stored = 1 / scale;
    for (std::uint32_t i = threadIdx.x; i < columns / 4; i += kThreads) {
        Four<E4m3> rounded;
#pragma unroll
        for (int k = 0; k < 4; ++k)
            rounded.numbers[k] = e4m3_of(to_float(from[i].numbers[k]) * to_stored);
        to[i] = rounded;
    }
}

// A warp for each head of a token, and some of them a block.
constexpr unsigned kHeadsOfBlock = 4;

template <class T>
__global__ void __launch_bounds__(kHeadsOfBlock* kWarpThreads)
    place_kernel(StepSlab slab, HeadShape shape, std::uint32_t first_token, RotaryTables tables,
                 T* qkv, T* keys, T* values) {
    const std::uint32_t token = first_token + blockIdx.x;
    const std::uint32_t heads = shape.heads + 2 * shape.kv_heads;
    const std::uint32_t head = blockIdx.y * kHeadsOfBlock + threadIdx.x / kWarpThreads;
    if (token >= slab.counts()->tokens || head >= heads) return;
    const TokenParameters is = slab.tokens()[token];
    const std::uint32_t size = shape.head_size;
    const Rotary rotary = Rotary::of(tables, token, is, shape.context_tokens, size);
    T* const at = qkv + (static_cast<std::size_t>(token) * heads + head) * size;
    const std::size_t place = static_cast<std::size_t>(is.position) * size;
    const std::uint32_t first = threadIdx.x % kWarpThreads * 2;
    if (head >= shape.heads + shape.kv_heads) {
        T* const to =
            head_cache(values, shape, is.slot, head - shape.heads - shape.kv_heads) + place;
        for (std::uint32_t d = first; d < size; d += 2 * kWarpThreads)
            store_two(to + d, rotary.scaled(at, d));
        return;
    }
    T* const to =
        head < shape.heads ? at : head_cache(keys, shape, is.slot, head - shape.heads) + place;
    for (std::uint32_t d = first; d < size / 2; d += 2 * kWarpThreads) {
        // Both halves before either is written: they may be written where they are read.
        const TwoFloats upper = rotary.turned(at, d);
        const TwoFloats lower = rotary.turned(at, d + size / 2);
        store_two(to + d, upper);
        store_two(to + d + size / 2, lower);
    }
}

// A thread for each 16 bytes of what is gated.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gate_kernel(const T* gate_and_up, const float* scales, std::uint32_t inner, T* gated) {
    constexpr std::uint32_t kPack = Pack<T>::kCount;
    const std::uint32_t packs = inner / kPack;
    const std::uint32_t pack = blockIdx.y * kThreads + threadIdx.x;
    if (pack >= packs) return;
    const std::size_t token = blockIdx.x;
    const auto* const from = reinterpret_cast<const Pack<T>*>(gate_and_up) + token * 2 * packs;
    const float scale = scales == nullptr ? 1 : scales[token];
    const Pack<T> gates = from[pack];
    const Pack<T> ups = from[packs + pack];
    Pack<T> out;
#pragma unroll
    for (std::uint32_t i = 0; i < kPack; ++i) {
        const float gate = to_float(gates.numbers[i]) * scale;
        const float up = to_float(ups.numbers[i]) * scale;
        out.numbers[i] = from_float<T>(gate / (1 + __expf(-gate)) * up);
    }
    reinterpret_cast<Pack<T>*>(gated)[token * packs + pack] = out;
}

}  // namespace

template <class T>
void embed(cudaStream_t stream, std::uint32_t tokens, const StepSlab& slab, const T* embedding,
           std::uint32_t hidden, float* states) {
    launch(embed_kernel<T>, {dim3(tokens), kThreads}, stream, slab, embedding, hidden, states);
}

template <class T>
void normalise(cudaStream_t stream, std::uint32_t count, const StepSlab& slab, bool of_rows,
               float* states, const Addend& addend, const float* norm, std::uint32_t hidden,
               float epsilon, const NormOutput& output) {
    launch(normalise_kernel<T>, {dim3(count), kThreads}, stream, slab, of_rows, states, addend,
           norm, hidden, epsilon, output);
}

template <class T>
void to_8_bits(cudaStream_t stream, std::uint32_t tokens, const T* numbers, std::uint32_t columns,
               E4m3* out, TokenScales scales) {
    launch(to_8_bits_kernel<T>, {dim3(tokens), kThreads}, stream, numbers, columns, out, scales);
}

template <class T>
void place(cudaStream_t stream, std::uint32_t first_token, std::uint32_t tokens,
           const StepSlab& slab, const HeadShape& shape, const RotaryTables& tables, T* qkv,
           T* keys, T* values) {
    const std::uint32_t heads = shape.heads + 2 * shape.kv_heads;
    launch(
        place_kernel<T>,
        {dim3(tokens, (heads + kHeadsOfBlock - 1) / kHeadsOfBlock), kHeadsOfBlock * kWarpThreads},
        stream, slab, shape, first_token, tables, qkv, keys, values);
}

template <class T>
void gate(cudaStream_t stream, std::uint32_t tokens, const T* gate_and_up, const float* scales,
          std::uint32_t inner, T* gated) {
    const std::uint32_t packs = inner / Pack<T>::kCount;
    launch(gate_kernel<T>, {dim3(tokens, (packs + kThreads - 1) / kThreads), kThreads}, stream,
           gate_and_up, scales, inner, gated);
}

#define CASC_FOR(T)                                                                            \
    template void embed(cudaStream_t, std::uint32_t, const StepSlab&, const T*, std::uint32_t, \
                        float*);                                                               \
    template void normalise<T>(cudaStream_t, std::uint32_t, const StepSlab&, bool, float*,     \
                               const Addend&, const float*, std::uint32_t, float,              \
                               const NormOutput&);                                             \
    template void place(cudaStream_t, std::uint32_t, std::uint32_t, const StepSlab&,           \
                        const HeadShape&, const RotaryTables&, T*, T*, T*);                    \
    template void gate(cudaStream_t, std::uint32_t, const T*, const float*, std::uint32_t, T*)
CASC_FOR(float);
CASC_FOR(Bf16);
CASC_FOR(F16);
#undef CASC_FOR
template void normalise<E4m3>(cudaStream_t, std::uint32_t, const StepSlab&, bool, float*,
                              const Addend&, const float*, std::uint32_t, float, const NormOutput&);
template void to_8_bits(cudaStream_t, std::uint32_t, const Bf16*, std::uint32_t, E4m3*,
                        TokenScales);

}  // namespace casc::gpu::cuda
