#include "gpu_metrics.hpp"

#include <string>
#include <utility>

namespace casc::broker {
namespace {

using gpu::GpuReading;

std::string labels_of(const GpuReading& device) {
    return prometheus_label("device", std::to_string(device.index)) + ',' +
           prometheus_label("name", device.name);
}

// `read` gives a number of a device, if it has one.
template <class Read>
void add(std::vector<MetricFamily>& families, const std::vector<GpuReading>& devices,
         const char* type, const char* name, const char* help, Read read) {
    MetricFamily family{name, help, type, {}};
    for (const GpuReading& device : devices)
        if (const auto value = read(device))
            family.samples.push_back({name, labels_of(device), static_cast<double>(*value)});
    if (!family.samples.empty()) families.push_back(std::move(family));
}

}  // namespace

std::vector<MetricFamily> gpu_metrics(const std::vector<GpuReading>& devices) {
    std::vector<MetricFamily> families;
    add(families, devices, "gauge", "casc_gpu_utilization_ratio",
        "The part of the last moments in which a kernel ran.",
        [](const GpuReading& is) { return is.utilization; });
    add(families, devices, "gauge", "casc_gpu_memory_used_bytes",
        "Of the device, by whatever uses it.",
        [](const GpuReading& is) { return is.memory_used_bytes; });
    add(families, devices, "gauge", "casc_gpu_memory_total_bytes", "That the device has.",
        [](const GpuReading& is) { return is.memory_total_bytes; });
    add(families, devices, "gauge", "casc_gpu_power_watts", "That the device takes.",
        [](const GpuReading& is) { return is.power_watts; });
    add(families, devices, "counter", "casc_gpu_energy_joules_total",
        "That the device has taken since the driver was loaded.",
        [](const GpuReading& is) { return is.energy_joules; });
    return families;
}

}  // namespace casc::broker
