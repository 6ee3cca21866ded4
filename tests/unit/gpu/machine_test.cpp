// How much of the machine a model may use.

#include "cpu/machine.hpp"

#include <doctest/doctest.h>

#include <sched.h>
#include <string>
#include <thread>

using namespace casc::gpu::cpu;

TEST_CASE("gpu/machine: processors that a thread must not run on are not counted") {
    CHECK(usable_processors() >= 1);
    std::size_t counted = 0;
    std::thread([&] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
        if (sched_setaffinity(0, sizeof one, &one) == 0) counted = usable_processors();
    }).join();
    CHECK(counted == 1);
}

TEST_CASE("gpu/machine: the memory that is available is what the system says") {
    const auto available = available_memory_bytes();
    REQUIRE(available);
    CHECK(*available > 1u << 20);
    CHECK(available_memory_bytes(
              "MemTotal:  9 kB\nMemFree: 1 kB\nMemAvailable:    7 kB\nX: 3 kB\n") == 7u << 10);
    for (const char* text :
         {"", "MemTotal:  9 kB\n", "\nMemAvailable:", "\nMemAvailable: ", "\nMemAvailable: x kB",
          "\nMemAvailable: -7 kB", "\nMemAvailable: 7 MB", "\nMemAvailable: 7",
          "\nMemAvailable: 18446744073709551616 kB", "\nMemAvailable: 18446744073709551615 kB"}) {
        CAPTURE(text);
        CHECK_FALSE(available_memory_bytes(text));
    }
}
