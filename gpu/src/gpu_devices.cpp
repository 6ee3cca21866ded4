// Of NVML's interface (docs.nvidia.com/deploy/nvml-api) what is used here: its header comes with
// the toolkit, which a machine that only runs models does not have.

#include <casc/gpu/gpu_devices.hpp>

#include <array>
#include <dlfcn.h>
#include <utility>

namespace casc::gpu {
struct GpuDevices::Library {
    using NvmlDevice = void*;
    using NvmlResult = int;
    static constexpr NvmlResult kSuccess = 0;

    struct NvmlUtilization {
        unsigned gpu = 0;  // percent
        unsigned memory = 0;
    };
    struct NvmlMemory {
        unsigned long long total = 0;
        unsigned long long free = 0;
        unsigned long long used = 0;
    };

    explicit Library(void* handle) : handle_(handle) {}
    ~Library() {
        if (shutdown != nullptr) shutdown();
        ::dlclose(handle_);
    }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    template <class Function>
    bool find(const char* symbol, Function& function) const {
        function = reinterpret_cast<Function>(::dlsym(handle_, symbol));
        return function != nullptr;
    }
    // False: it is not what it should be, or has no driver to talk to.
    bool begin() {
        NvmlResult (*init)() = nullptr;
        const bool has_all =
            find("nvmlInit_v2", init) && find("nvmlDeviceGetCount_v2", count) &&
            find("nvmlDeviceGetHandleByIndex_v2", device_at) && find("nvmlDeviceGetName", name) &&
            find("nvmlDeviceGetUtilizationRates", utilization) &&
            find("nvmlDeviceGetMemoryInfo", memory) && find("nvmlDeviceGetPowerUsage", power) &&
            find("nvmlDeviceGetTotalEnergyConsumption", energy);
        if (!has_all || init() != kSuccess) return false;
        find("nvmlShutdown", shutdown);
        return true;
    }

    NvmlResult (*shutdown)() = nullptr;
    NvmlResult (*count)(unsigned*) = nullptr;
    NvmlResult (*device_at)(unsigned, NvmlDevice*) = nullptr;
    NvmlResult (*name)(NvmlDevice, char*, unsigned) = nullptr;
    NvmlResult (*utilization)(NvmlDevice, NvmlUtilization*) = nullptr;
    NvmlResult (*memory)(NvmlDevice, NvmlMemory*) = nullptr;
    NvmlResult (*power)(NvmlDevice, unsigned*) = nullptr;             // milliwatts
    NvmlResult (*energy)(NvmlDevice, unsigned long long*) = nullptr;  // millijoules

private:
    void* handle_;
};

GpuDevices::GpuDevices(std::unique_ptr<Library> library) : library_(std::move(library)) {}
GpuDevices::~GpuDevices() = default;

std::unique_ptr<GpuDevices> GpuDevices::open(const std::string& library) {
    void* const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return nullptr;
    auto loaded = std::make_unique<Library>(handle);
    if (!loaded->begin()) return nullptr;
    return std::unique_ptr<GpuDevices>(new GpuDevices(std::move(loaded)));
}

std::vector<GpuReading> GpuDevices::read() const {
    std::vector<GpuReading> readings;
    unsigned count = 0;
    if (library_->count(&count) != Library::kSuccess) return readings;
    for (unsigned index = 0; index < count; ++index) {
        Library::NvmlDevice device = nullptr;
        if (library_->device_at(index, &device) != Library::kSuccess) continue;
        GpuReading& reading = readings.emplace_back();
        reading.index = index;
        std::array<char, 96> name{};
        if (library_->name(device, name.data(), name.size() - 1) == Library::kSuccess)
            reading.name = name.data();
        Library::NvmlUtilization utilization;
        if (library_->utilization(device, &utilization) == Library::kSuccess)
            reading.utilization = utilization.gpu / 100.0;
        Library::NvmlMemory memory;
        if (library_->memory(device, &memory) == Library::kSuccess) {
            reading.memory_used_bytes = memory.used;
            reading.memory_total_bytes = memory.total;
        }
        unsigned milliwatts = 0;
        if (library_->power(device, &milliwatts) == Library::kSuccess)
            reading.power_watts = milliwatts / 1e3;
        unsigned long long millijoules = 0;
        if (library_->energy(device, &millijoules) == Library::kSuccess)
            reading.energy_joules = static_cast<double>(millijoules) / 1e3;
    }
    return readings;
}

}  // namespace casc::gpu
