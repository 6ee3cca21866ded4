#pragma once
// cuda/launch.cuh: kernels are launched in one place, so that what is emulated is launched there,
// too.

#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// The conversions between half and float that the toolkit has as instructions. Here, so that
// nothing else differs where kernels are emulated (gpu/emulated).
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
