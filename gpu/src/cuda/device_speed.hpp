#pragma once
// cuda/device_speed.hpp: how fast a device copies and multiplies, for itself: what steps are held
// against.

#include <casc/gpu/cuda_backend.hpp>
#include <casc/gpu/tensor.hpp>
#include <casc/types/result.hpp>

#include <cstdint>

namespace casc::gpu::cuda {

// Of the device that the thread uses; nobody else uses it meanwhile. See CudaBackend.
[[nodiscard]] Result<CudaBandwidth> measure_bandwidth();
[[nodiscard]] Result<double> measure_products(ElementType type, std::uint32_t size);

}  // namespace casc::gpu::cuda
