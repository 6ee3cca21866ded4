#pragma once
// cuda/device_matrix.hpp: a matrix on the device, rows one behind the other.

namespace casc::gpu::cuda {

struct DeviceMatrix {
    const void* data = nullptr;
    float scale = 1;  // its numbers are so many times what is stored
};

}  // namespace casc::gpu::cuda
