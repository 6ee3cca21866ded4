#include "cuda/launch.cuh"
#include "cuda/reduce.cuh"
#include "cuda/sample.cuh"
#include "token_weight.hpp"

namespace casc::gpu::cuda {
namespace {

constexpr unsigned kThreads = 512;
constexpr unsigned kDigits = 256;

// Larger for whoever comes before: the logit, then the token. See sampling.cpp.
using Rank = std::uint64_t;

__device__ Rank rank_of(float logit, std::uint32_t token) {
    const std::uint32_t bits = __float_as_uint(logit + 0.0f);
    const std::uint32_t ordered = (bits & 0x8000'0000u) != 0 ? ~bits : bits | 0x8000'0000u;
    return Rank{ordered} << 32 | (0xFFFF'FFFFu - token);
}
__device__ std::uint32_t token_of(Rank rank) {
    return 0xFFFF'FFFFu - static_cast<std::uint32_t>(rank);
}
__device__ bool is_finite(float logit) {
    return (__float_as_uint(logit) & 0x7F80'0000u) != 0x7F80'0000u;
}

struct Row {
    const float* logits;
    std::uint32_t vocabulary;
};

// What each token weighs: 1 where they are counted.
struct Counting {
    __device__ std::uint64_t operator()(float, std::uint32_t) const { return 1; }
};
struct Weighing {
    Rank last;  // who comes after it weighs nothing
    float most;
    double scale;
    __device__ std::uint64_t operator()(float logit, std::uint32_t token) const {
        if (rank_of(logit, token) < last) return 0;
        const double exponent =
            logit == most ? 0 : (static_cast<double>(logit) - static_cast<double>(most)) * scale;
        return exponent < kLeastExponent ? 0 : token_weight(exponent);
    }
};

template <class Weight>
__device__ std::uint64_t weight_of_all(const Row& row, Weight weight) {
    std::uint64_t sum = 0;
    for (std::uint32_t i = threadIdx.x; i < row.vocabulary; i += kThreads)
        sum += weight(row.logits[i], i);
    return reduce_block<kThreads>(sum, Sum());
}

// The rank of the last of the first ones that weigh `wanted` together: from its highest digit to
// its lowest, among those who share the digits before.
template <class Weight>
__device__ Rank last_rank_with(const Row& row, std::uint64_t wanted, Weight weight) {
    __shared__ unsigned long long with_digit[kDigits];
    __shared__ Rank found;
    __shared__ std::uint64_t left;
    if (threadIdx.x == 0) {
        found = 0;
        left = wanted;
    }
    for (int shift = 56; shift >= 0; shift -= 8) {
        for (unsigned digit = threadIdx.x; digit < kDigits; digit += kThreads)
            with_digit[digit] = 0;
        __syncthreads();
        const Rank prefix = found;
        // Most tokens share their first digits: what comes one behind the other with the same one
        // is added up before, since adding 64 bits in shared memory is an exchange tried again
        // and again.
        unsigned digit = 0;
        unsigned long long gathered = 0;
        for (std::uint32_t i = threadIdx.x; i < row.vocabulary; i += kThreads) {
            const Rank rank = rank_of(row.logits[i], i);
            if (shift < 56 && rank >> (shift + 8) != prefix >> (shift + 8)) continue;
            const auto its = static_cast<unsigned>(rank >> shift & 0xFF);
            if (its != digit && gathered != 0) {
                atomicAdd(&with_digit[digit], gathered);
                gathered = 0;
            }
            digit = its;
            gathered += weight(row.logits[i], i);
        }
        if (gathered != 0) atomicAdd(&with_digit[digit], gathered);
        __syncthreads();
        if (threadIdx.x == 0) {
            unsigned last = kDigits - 1;
            for (; last > 0 && with_digit[last] < left; --last)
                left -= with_digit[last];
            found = prefix | static_cast<Rank>(last) << shift;
        }
        __syncthreads();
    }
    const Rank last = found;
    __syncthreads();  // before the next search
    return last;
}

// The token at which the weights reach more than `left`, in the order of their numbers.
template <class Weight>
__device__ std::uint32_t token_at(const Row& row, std::uint64_t left, Weight weight) {
    __shared__ std::uint64_t of_threads[kThreads];
    __shared__ std::uint32_t drawn;
    const std::uint32_t each = (row.vocabulary + kThreads - 1) / kThreads;
    const std::uint32_t begin = threadIdx.x * each;
    const std::uint32_t end =
        begin + each < row.vocabulary ? begin + each : row.vocabulary;  // may be before it
    std::uint64_t mine = 0;
    for (std::uint32_t i = begin; i < end; ++i)
        mine += weight(row.logits[i], i);
    of_threads[threadIdx.x] = mine;
    if (threadIdx.x == 0) drawn = kNoToken;
    __syncthreads();
    std::uint64_t before = 0;
    for (unsigned thread = 0; thread < threadIdx.x; ++thread)
        before += of_threads[thread];
    if (before <= left && left < before + mine) {
        for (std::uint32_t i = begin; i < end; ++i) {
            before += weight(row.logits[i], i);
            if (before <= left) continue;
            drawn = i;
            break;
        }
    }
    __syncthreads();
    return drawn;
}

__device__ std::uint64_t whole(double share, std::uint64_t total, bool up) {
    const double exact = share * static_cast<double>(total);
    const auto down = static_cast<std::uint64_t>(exact);
    return up && static_cast<double>(down) < exact ? down + 1 : down;
}

__global__ void __launch_bounds__(kThreads)
    sample_kernel(StepSlab slab, const float* logits, std::uint32_t vocabulary,
                  SampledToken* tokens) {
    if (blockIdx.x >= slab.counts()->rows) return;
    const Row row{logits + static_cast<std::size_t>(blockIdx.x) * vocabulary, vocabulary};
    const RowParameters how = slab.rows()[blockIdx.x];
    Rank best = 0;
    std::uint32_t infinite = 0;
    for (std::uint32_t i = threadIdx.x; i < vocabulary; i += kThreads) {
        best = Maximum()(best, rank_of(row.logits[i], i));
        infinite |= is_finite(row.logits[i]) ? 0u : 1u;
    }
    infinite = reduce_block<kThreads>(infinite, AnyBits());
    best = reduce_block<kThreads>(best, Maximum());
    std::uint32_t drawn = token_of(best);
    if (infinite != 0) {
        drawn = kNoToken;
    } else if (how.temperature != 0 && how.top_k != 1) {
        Weighing weight{0, row.logits[drawn],
                        1.4426950408889634 / static_cast<double>(how.temperature)};
        if (how.top_k != 0 && how.top_k < vocabulary)
            weight.last = last_rank_with(row, how.top_k, Counting());
        std::uint64_t total = weight_of_all(row, weight);
        if (how.top_p < 1) {
            std::uint64_t wanted = whole(static_cast<double>(how.top_p), total, true);
            wanted = wanted < 1 ? 1 : wanted > total ? total : wanted;
            weight.last = last_rank_with(row, wanted, weight);
            total = weight_of_all(row, weight);
        }
        const double draw = how.draw < 0 ? 0 : how.draw > 1 ? 1 : how.draw;
        const std::uint64_t left = whole(draw, total, false);
        drawn = token_at(row, left < total ? left : total - 1, weight);
    }
    if (threadIdx.x == 0) tokens[blockIdx.x].token = drawn;
}

}  // namespace

void sample_rows(cudaStream_t stream, std::uint32_t rows, const StepSlab& slab, const float* logits,
                 std::uint32_t vocabulary, SampledToken* tokens) {
    launch(sample_kernel, {dim3(rows), kThreads}, stream, slab, logits, vocabulary, tokens);
}

}  // namespace casc::gpu::cuda
