#include "cuda/reduce.cuh"
#include "cuda/token_kernels.cuh"

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

// "Root Mean Square Layer Normalization", arxiv.org/abs/1910.07467. States of up to 4096 numbers
// stay in registers between the sum and what is written.
template <class T>
__global__ void __launch_bounds__(kThreads)
    normalise_kernel(StepSlab slab, bool of_rows, const float* __restrict__ states,
                     const float* __restrict__ norm, std::uint32_t hidden, float epsilon,
                     T* __restrict__ normed, float* __restrict__ exact) {
    constexpr std::uint32_t kKept = 4;
    const std::uint32_t item = blockIdx.x;
    if (item >= (of_rows ? slab.counts()->rows : slab.counts()->tokens)) return;
    const std::uint32_t token = of_rows ? slab.rows()[item].token : item;
    const std::uint32_t fours = hidden / 4;
    const auto* const state =
        reinterpret_cast<const Four<float>*>(states + static_cast<std::size_t>(token) * hidden);
    const auto* const scales = reinterpret_cast<const Four<float>*>(norm);
    const std::size_t out = static_cast<std::size_t>(item) * fours;
    Four<float> kept[kKept];
    float squares = 0;
#pragma unroll
    for (std::uint32_t k = 0; k < kKept; ++k) {
        const std::uint32_t i = threadIdx.x + k * kThreads;
        if (i < fours) kept[k] = state[i];
    }
#pragma unroll
    for (std::uint32_t k = 0; k < kKept; ++k)
        if (threadIdx.x + k * kThreads < fours)
            for (const float number : kept[k].numbers)
                squares += number * number;
    for (std::uint32_t i = threadIdx.x + kKept * kThreads; i < fours; i += kThreads)
        for (const float number : state[i].numbers)
            squares += number * number;
    squares = reduce_block<kThreads>(squares, Sum());
    const float scale = rsqrtf(squares / static_cast<float>(hidden) + epsilon);
    const auto write = [&](std::uint32_t i, const Four<float>& from) {
        const Four<float> by = scales[i];
        Four<T> rounded;
        Four<float> numbers;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            numbers.numbers[k] = from.numbers[k] * scale * by.numbers[k];
            rounded.numbers[k] = from_float<T>(numbers.numbers[k]);
        }
        reinterpret_cast<Four<T>*>(normed)[out + i] = rounded;
        if (exact != nullptr) reinterpret_cast<Four<float>*>(exact)[out + i] = numbers;
    };
#pragma unroll
    for (std::uint32_t k = 0; k < kKept; ++k)
        if (threadIdx.x + k * kThreads < fours) write(threadIdx.x + k * kThreads, kept[k]);
    for (std::uint32_t i = threadIdx.x + kKept * kThreads; i < fours; i += kThreads)
        write(i, state[i]);
}

// A warp for each head of a token, and some of them a block.
constexpr unsigned kHeadsOfBlock = 4;

template <class T>
__global__ void __launch_bounds__(kHeadsOfBlock* kWarpThreads)
    place_kernel(StepSlab slab, HeadShape shape, const float* __restrict__ turns, T* qkv, T* keys,
                 T* values) {
    const std::uint32_t token = blockIdx.x;
    const std::uint32_t heads = shape.heads + 2 * shape.kv_heads;
    const std::uint32_t head = blockIdx.y * kHeadsOfBlock + threadIdx.x / kWarpThreads;
    if (token >= slab.counts()->tokens || head >= heads) return;
    const TokenParameters is = slab.tokens()[token];
    const std::uint32_t pairs = shape.head_size / 2;
    T* const at = qkv + (static_cast<std::size_t>(token) * heads + head) * shape.head_size;
    const std::size_t place = static_cast<std::size_t>(is.position) * shape.head_size;
    const std::uint32_t lane = threadIdx.x % kWarpThreads;
    if (head >= shape.heads + shape.kv_heads) {
        T* const to =
            head_cache(values, shape, is.slot, head - shape.heads - shape.kv_heads) + place;
        for (std::uint32_t i = lane; i < shape.head_size; i += kWarpThreads)
            to[i] = at[i];
        return;
    }
    const float* const turn =
        turns + (static_cast<std::size_t>(is.is_beyond) * shape.context_tokens + is.position) *
                    shape.head_size;
    T* const to =
        head < shape.heads ? at : head_cache(keys, shape, is.slot, head - shape.heads) + place;
    for (std::uint32_t pair = lane; pair < pairs; pair += kWarpThreads) {
        const float cosine = turn[2 * pair];
        const float sine = turn[2 * pair + 1];
        const float first = to_float(at[pair]);
        const float second = to_float(at[pair + pairs]);
        to[pair] = from_float<T>(first * cosine - second * sine);
        to[pair + pairs] = from_float<T>(second * cosine + first * sine);
    }
}

template <class T>
__global__ void gate_kernel(const T* gate_and_up, std::uint32_t inner, T* gated) {
    const T* const gates = gate_and_up + static_cast<std::size_t>(blockIdx.x) * 2 * inner;
    T* const out = gated + static_cast<std::size_t>(blockIdx.x) * inner;
    for (std::uint32_t i = blockIdx.y * kThreads + threadIdx.x; i < inner;
         i += gridDim.y * kThreads) {
        const float gate = to_float(gates[i]);
        out[i] = from_float<T>(gate / (1 + __expf(-gate)) * to_float(gates[inner + i]));
    }
}

}  // namespace

template <class T>
void embed(cudaStream_t stream, std::uint32_t tokens, const StepSlab& slab, const T* embedding,
           std::uint32_t hidden, float* states) {
    launch(embed_kernel<T>, {dim3(tokens), kThreads}, stream, slab, embedding, hidden, states);
}

template <class T>
void normalise(cudaStream_t stream, std::uint32_t count, const StepSlab& slab, bool of_rows,
               const float* states, const float* norm, std::uint32_t hidden, float epsilon,
               const NormOutput& output) {
    launch(normalise_kernel<T>, {dim3(count), kThreads}, stream, slab, of_rows, states, norm,
           hidden, epsilon, static_cast<T*>(output.normed), output.exact);
}

template <class T>
void place(cudaStream_t stream, std::uint32_t tokens, const StepSlab& slab, const HeadShape& shape,
           const float* turns, T* qkv, T* keys, T* values) {
    const std::uint32_t heads = shape.heads + 2 * shape.kv_heads;
    launch(
        place_kernel<T>,
        {dim3(tokens, (heads + kHeadsOfBlock - 1) / kHeadsOfBlock), kHeadsOfBlock * kWarpThreads},
        stream, slab, shape, turns, qkv, keys, values);
}

template <class T>
void gate(cudaStream_t stream, std::uint32_t tokens, const T* gate_and_up, std::uint32_t inner,
          T* gated) {
    // Of few tokens one block each would leave most of the device idle.
    const std::uint32_t pieces = tokens < 64 ? (inner + 4 * kThreads - 1) / (4 * kThreads) : 1;
    launch(gate_kernel<T>, {dim3(tokens, pieces), kThreads}, stream, gate_and_up, inner, gated);
}

#define CASC_FOR(T)                                                                              \
    template void embed(cudaStream_t, std::uint32_t, const StepSlab&, const T*, std::uint32_t,   \
                        float*);                                                                 \
    template void normalise<T>(cudaStream_t, std::uint32_t, const StepSlab&, bool, const float*, \
                               const float*, std::uint32_t, float, const NormOutput&);           \
    template void place(cudaStream_t, std::uint32_t, const StepSlab&, const HeadShape&,          \
                        const float*, T*, T*, T*);                                               \
    template void gate(cudaStream_t, std::uint32_t, const T*, std::uint32_t, T*)
CASC_FOR(float);
CASC_FOR(Bf16);
CASC_FOR(F16);
#undef CASC_FOR

}  // namespace casc::gpu::cuda
