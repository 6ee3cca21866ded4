#pragma once
// emulated/emulated_cuda.hpp: what tests do to the emulated device.

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>

namespace emulated_cuda {

// Of this thread's device.
struct Counts {
    std::uint64_t calls = 0;          // of the runtime and of cuBLASLt that can fail
    std::uint64_t launches = 0;       // of kernels, also those of graphs
    std::uint64_t graphs = 0;         // launched
    std::uint64_t captures = 0;       // begun
    std::size_t allocations = 0;      // of the device and pinned, that live
    std::size_t device_bytes = 0;     // that are allocated
    std::uint64_t slow_products = 0;  // computed in another than the fastest way
    std::size_t handles = 0;          // streams, events, graphs and of cuBLASLt, that live
};
[[nodiscard]] Counts counts();

// As a new device: `bytes` of memory, nothing fails. What lives goes on living.
void reset(std::size_t bytes = std::size_t{1} << 32);
void set_device_count(int count);
void set_capability(int major, int minor);
// No call fails any more; what has failed before is still the last error.
void stop_failing();
// The call after so many more fails, once or (a device that is lost) it and all after it.
void fail_after(std::uint64_t calls, cudaError_t error, bool for_good);

}  // namespace emulated_cuda
