#pragma once
// cuda/join_splits.cuh: what the blocks of a lone token have found about the splits of its keys
// becomes one.
//
// Whichever block of some heads is the last to have found its part joins them: a kernel for it
// would wait for all blocks of all tokens, and be launched once more in each layer. The order of
// the sums is that of the splits, whoever comes last.

#include "cuda/attention.cuh"
#include "cuda/reduce.cuh"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// Counts the block as arrived, behind everything that it has written; true for the last one of
// `blocks`, which sees what all have written, and for which nobody has arrived any more.
__device__ inline bool is_last_of(std::uint32_t blocks, std::uint32_t* arrived) {
    __shared__ bool is_last;
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        is_last = atomicAdd(arrived, 1u) + 1 == blocks;
        if (is_last) *arrived = 0;
        __threadfence();
    }
    __syncthreads();
    return is_last;
}

// What some splits of one head have: the values' sum and the shares' for the largest score among
// them. Each thread of a warp has every 32nd value.
struct JoinedSplits {
    static constexpr std::uint32_t kValues = kHeadSizeMax / kWarpThreads;
    float most = -INFINITY;
    float all = 0;
    float sum[kValues] = {};

    // A share of nothing so far is 0, and 0 times what is no number stays none.
    [[nodiscard]] __device__ static float kept(float before, float after) {
        return before == -INFINITY ? 0 : power_of_2(before - after);
    }
    // Up to 32 splits from `parts` on, by a warp.
    __device__ void add(const float* parts, std::uint32_t count, std::uint32_t head_size) {
        const std::uint32_t lane = threadIdx.x % kWarpThreads;
        const std::size_t floats = part_floats(head_size);
        const bool has_one = lane < count;
        const float its_most = has_one ? parts[lane * floats] : -INFINITY;
        const float its_all = has_one ? parts[lane * floats + 1] : 0;
        const float new_most = Maximum()(most, reduce_lanes(its_most, Maximum()));
        const float keeps = kept(most, new_most);
        const float weight = has_one ? power_of_2(its_most - new_most) : 0;
        all = all * keeps + reduce_lanes(weight * its_all, Sum());
        most = new_most;
#pragma unroll
        for (std::uint32_t i = 0; i < kValues; ++i)
            sum[i] *= keeps;
#pragma unroll 4
        for (std::uint32_t split = 0; split < count; ++split) {
            const float its_weight = __shfl_sync(~0u, weight, static_cast<int>(split));
#pragma unroll
            for (std::uint32_t i = 0; i < kValues; ++i) {
                const std::uint32_t d = lane + i * kWarpThreads;
                if (d < head_size) sum[i] += its_weight * parts[split * floats + 2 + d];
            }
        }
    }
};

// Of `heads` heads: parts [heads, splits_max, part_floats], of which splits `first` to `end` are
// joined, to out [heads, head_size]. By all threads of the block. scratch: kJoinFloats<kThreads> of
// shared memory.
template <unsigned kThreads>
inline constexpr std::uint32_t kJoinFloats =
    kThreads / kWarpThreads* static_cast<std::uint32_t>(part_floats(kHeadSizeMax));

template <unsigned kThreads, class T>
__device__ void join_splits(const float* parts, std::uint32_t heads, std::uint32_t splits_max,
                            std::uint32_t first, std::uint32_t end, std::uint32_t head_size,
                            float* scratch, T* out) {
    constexpr std::uint32_t kWarps = kThreads / kWarpThreads;
    const std::size_t floats = part_floats(head_size);
    // Where there are fewer heads than warps, several share the splits of one.
    const std::uint32_t helpers = heads >= kWarps ? 1 : kWarps / heads;
    const std::uint32_t heads_at_once = kWarps / helpers;
    const std::uint32_t warp = threadIdx.x / kWarpThreads;
    const std::uint32_t lane = threadIdx.x % kWarpThreads;
    for (std::uint32_t head = 0; head < heads; head += heads_at_once) {
        const std::uint32_t its_head = head + warp / helpers;
        if (warp / helpers < heads_at_once && its_head < heads) {
            const float* const its_parts = parts + its_head * splits_max * floats;
            JoinedSplits joined;
            for (std::uint32_t split = first + warp % helpers * kWarpThreads; split < end;
                 split += helpers * kWarpThreads)
                joined.add(its_parts + split * floats,
                           end - split < kWarpThreads ? end - split : kWarpThreads, head_size);
            float* const mine = scratch + warp * floats;
            if (lane == 0) {
                mine[0] = joined.most;
                mine[1] = joined.all;
            }
#pragma unroll
            for (std::uint32_t i = 0; i < JoinedSplits::kValues; ++i)
                if (lane + i * kWarpThreads < head_size)
                    mine[2 + lane + i * kWarpThreads] = joined.sum[i];
        }
        __syncthreads();
        for (std::uint32_t i = threadIdx.x; i < heads_at_once * head_size; i += kThreads) {
            const std::uint32_t of_head = i / head_size;
            if (head + of_head >= heads) break;
            const float* const theirs = scratch + of_head * helpers * floats;
            float most = -INFINITY;
            for (std::uint32_t helper = 0; helper < helpers; ++helper)
                most = Maximum()(most, theirs[helper * floats]);
            float all = 0;
            float sum = 0;
            for (std::uint32_t helper = 0; helper < helpers; ++helper) {
                const float* const its = theirs + helper * floats;
                const float weight = JoinedSplits::kept(its[0], most);
                all += weight * its[1];
                sum += weight * its[2 + i % head_size];
            }
            out[static_cast<std::size_t>(head) * head_size + i] = from_float<T>(sum / all);
        }
        __syncthreads();  // before the next heads
    }
}

}  // namespace casc::gpu::cuda
