#pragma once
// cuda/launch.cuh: kernels are launched in one place, so that what is emulated is launched there,
// too.

#include <cuda_runtime.h>

namespace casc::gpu::cuda {

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
