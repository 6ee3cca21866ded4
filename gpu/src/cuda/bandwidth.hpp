#pragma once
// cuda/bandwidth.hpp: how fast a device copies.

#include <casc/gpu/cuda_backend.hpp>
#include <casc/types/result.hpp>

namespace casc::gpu::cuda {

// Of the device that the thread uses; nobody else uses it meanwhile. Fails with: model_too_large,
// device_failed.
[[nodiscard]] Result<CudaBandwidth> measure_bandwidth();

}  // namespace casc::gpu::cuda
