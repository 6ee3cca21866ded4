#pragma once
// cuda/bandwidth.hpp: how fast a device copies.

#include <casc/gpu/cuda_backend.hpp>
#include <casc/types/result.hpp>

#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// Nobody else uses the device meanwhile. Fails with: model_too_large, device_failed.
[[nodiscard]] Result<CudaBandwidth> measure_bandwidth(cudaStream_t stream);

}  // namespace casc::gpu::cuda
