// Stands in for libnvidia-ml.so.1 on a machine without a GPU: two devices, of which the second one
// says little.
#include <cstring>

namespace {

constexpr int kSuccess = 0;
constexpr int kNotSupported = 3;
int devices[2];

bool says_all(const void* device) {
    return device == &devices[0];
}

}  // namespace

extern "C" {
int nvmlInit_v2() {
    return kSuccess;
}
int nvmlShutdown() {
    return kSuccess;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
    *count = 2;
    return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
    *device = &devices[index];
    return kSuccess;
}
int nvmlDeviceGetName(void* device, char* name, unsigned length) {
    std::strncpy(name, says_all(device) ? "Fake H200" : "Fake \"old\" one", length);
    return kSuccess;
}
int nvmlDeviceGetUtilizationRates(void* device, unsigned* rates) {
    if (!says_all(device)) return kNotSupported;
    rates[0] = 87;
    rates[1] = 12;
    return kSuccess;
}
int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* memory) {
    memory[0] = 1000;
    memory[1] = says_all(device) ? 400 : 1000;
    memory[2] = says_all(device) ? 600 : 0;
    return kSuccess;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
    *milliwatts = 412'500;
    return says_all(device) ? kSuccess : kNotSupported;
}
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
    *millijoules = 7'000'250;
    return says_all(device) ? kSuccess : kNotSupported;
}
}
