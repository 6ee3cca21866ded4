#pragma once
// cpu/machine.hpp: how much of the machine a model may use when nobody says how much.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace casc::gpu::cpu {

// Processors that the calling thread may run on (sched_setaffinity(2): taskset, cpusets of
// containers); at least 1. Thread: any.
[[nodiscard]] std::size_t usable_processors() noexcept;

// What can be had without taking it from others, as /proc/meminfo says: free, or of caches that
// the system gives up. Nothing: the system does not say. Thread: any.
[[nodiscard]] std::optional<std::uint64_t> available_memory_bytes();
// The same of the text of that file, in proc(5).
[[nodiscard]] std::optional<std::uint64_t> available_memory_bytes(std::string_view meminfo);

}  // namespace casc::gpu::cpu
