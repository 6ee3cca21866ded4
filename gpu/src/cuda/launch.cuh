#pragma once
// cuda/launch.cuh: kernels are launched in one place, so that what is emulated is launched there,
// too.

#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// What is an instruction of the device. Here, so that nothing else differs where kernels are
// emulated (gpu/emulated).
#ifdef __CUDACC__
__device__ inline float half_bits_to_float(unsigned short bits) {
    float number;
    asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(bits));
    return number;
}
__device__ inline unsigned short float_to_half_bits(float number) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(number));
    return bits;
}

// 16 bytes from the device's memory to the block's, without a register and without waiting: a
// thread that copies through registers has one load on its way at a time, and so waits for memory
// again and again. Copies are waited for by group, those before the kPending newest ones.
__device__ inline void copy_16_bytes(void* to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(to))),
                 "l"(from)
                 : "memory");
}
__device__ inline void end_copy_group() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kPending>
__device__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}
#endif

struct LaunchShape {
    dim3 blocks;
    unsigned threads = 1;
};

// Errors of a launch are seen by the next check of the stream (cudaGetLastError).
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, cudaStream_t stream,
            const Arguments&... arguments) {
#ifdef __CUDACC__
    kernel<<<shape.blocks, shape.threads, 0, stream>>>(arguments...);
#else
    emulated_cuda::launch(kernel, shape.blocks, dim3(shape.threads), stream,
                          static_cast<Parameters>(arguments)...);
#endif
}

}  // namespace casc::gpu::cuda
