#pragma once
// cuda/reduce.cuh: one number of all threads of a warp or block, always in the same order, so that
// the same numbers have the same sum.

#include <cuda_runtime.h>

namespace casc::gpu::cuda {

inline constexpr unsigned kWarpThreads = 32;

struct Sum {
    template <class T>
    __device__ T operator()(T a, T b) const {
        return a + b;
    }
};
struct Maximum {
    template <class T>
    __device__ T operator()(T a, T b) const {
        return a < b ? b : a;
    }
};
struct AnyBits {
    template <class T>
    __device__ T operator()(T a, T b) const {
        return a | b;
    }
};

// Of each kLanes neighbours, a power of two; all of them have it.
template <unsigned kLanes = kWarpThreads, class T, class Operation>
__device__ T reduce_lanes(T mine, Operation operation) {
    for (unsigned distance = kLanes / 2; distance > 0; distance /= 2)
        mine = operation(mine, __shfl_xor_sync(~0u, mine, static_cast<int>(distance)));
    return mine;
}

// Of all threads of a block of kThreads, a multiple of 32; all of them have it. May be called again
// at once.
template <unsigned kThreads, class T, class Operation>
__device__ T reduce_block(T mine, Operation operation) {
    constexpr unsigned kWarps = kThreads / kWarpThreads;
    __shared__ T warps[kWarps];
    mine = reduce_lanes(mine, operation);
    __syncthreads();  // the last one's result has been read
    if (threadIdx.x % kWarpThreads == 0) warps[threadIdx.x / kWarpThreads] = mine;
    __syncthreads();
    mine = warps[0];
    for (unsigned warp = 1; warp < kWarps; ++warp)
        mine = operation(mine, warps[warp]);
    return mine;
}

}  // namespace casc::gpu::cuda
