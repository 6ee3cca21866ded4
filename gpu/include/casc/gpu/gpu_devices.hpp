#pragma once
// casc/gpu/gpu_devices.hpp: what NVIDIA's management library (NVML) says of the GPUs of a machine.
//
// The library comes with the driver and is loaded if it is there: a machine without a GPU has none,
// and neither casc nor the toolkit is asked.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace casc::gpu {

// What a device does not say, or this user may not know, is missing.
struct GpuReading {
    unsigned index = 0;                 // as nvidia-smi counts them
    std::string name;                   // "NVIDIA H200"
    std::optional<double> utilization;  // of 1: the part of the last moments in which a kernel ran
    std::optional<std::uint64_t> memory_used_bytes;
    std::optional<std::uint64_t> memory_total_bytes;
    std::optional<double> power_watts;
    std::optional<double> energy_joules;  // since the driver was loaded
};

// Thread: any, one at a time.
class GpuDevices {
public:
    // Nothing when the library is not there or does not work.
    [[nodiscard]] static std::unique_ptr<GpuDevices> open(
        const std::string& library = "libnvidia-ml.so.1");
    ~GpuDevices();
    GpuDevices(const GpuDevices&) = delete;
    GpuDevices& operator=(const GpuDevices&) = delete;

    // A millisecond or so for each device.
    [[nodiscard]] std::vector<GpuReading> read() const;

private:
    struct Library;
    explicit GpuDevices(std::unique_ptr<Library> library);
    std::unique_ptr<Library> library_;
};

}  // namespace casc::gpu
