#include <casc/gpu/gpu_devices.hpp>

#include <doctest/doctest.h>

using namespace casc::gpu;

TEST_CASE("gpu/gpu_devices: what the management library says, and what it does not") {
    const auto devices = GpuDevices::open(CASC_FAKE_NVML);
    REQUIRE(devices != nullptr);
    const auto readings = devices->read();
    REQUIRE(readings.size() == 2);
    const GpuReading& first = readings[0];
    CHECK(first.index == 0);
    CHECK(first.name == "Fake H200");
    CHECK(first.utilization == 0.87);
    CHECK(first.memory_used_bytes == 600u);
    CHECK(first.memory_total_bytes == 1000u);
    CHECK(first.power_watts == 412.5);
    CHECK(first.energy_joules == 7000.25);
    const GpuReading& second = readings[1];
    CHECK(second.index == 1);
    CHECK(second.memory_used_bytes == 0u);
    CHECK_FALSE(second.utilization);
    CHECK_FALSE(second.power_watts);
    CHECK_FALSE(second.energy_joules);
}

TEST_CASE("gpu/gpu_devices: without the library, or with another one, there are none") {
    CHECK(GpuDevices::open("libthere-is-no-such-library.so.1") == nullptr);
    CHECK(GpuDevices::open("libm.so.6") == nullptr);
}
