#pragma once
// gpu_metrics.hpp: the GPUs of the machine, for /metrics.

#include <casc/broker/metrics.hpp>
#include <casc/gpu/gpu_devices.hpp>

#include <vector>

namespace casc::broker {

// A family of what no device says is missing. Thread: any.
[[nodiscard]] std::vector<MetricFamily> gpu_metrics(const std::vector<gpu::GpuReading>& devices);

}  // namespace casc::broker
