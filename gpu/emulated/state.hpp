#pragma once
// emulated/state.hpp: the emulated device, as its parts see it.

#include "emulated_cuda.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace emulated_cuda {

using Work = std::function<void()>;

// Ends the process where the device would end the kernel.
void check_alignment(const void* at, std::size_t bytes);

struct Graph {
    std::vector<Work> work;
};

struct Stream {
    std::deque<Work> waiting;
    std::uint64_t enqueued = 0;
    std::uint64_t spent = 0;  // by what was enqueued, in some unit
    std::uint64_t done = 0;
    std::optional<Graph> capture;

    void run_until(std::uint64_t wanted);
};

struct Event {
    Stream* stream = nullptr;
    std::uint64_t position = 0;
    std::uint64_t spent = 0;
};

struct Device {
    Counts counts;
    std::size_t memory_bytes = std::size_t{1} << 32;
    int device_count = 1;
    int major = 9;
    int minor = 0;
    std::uint64_t fails_at = 0;  // by the number of the call; 0: never
    cudaError_t failure = cudaSuccess;
    bool fails_for_good = false;
    cudaError_t last_error = cudaSuccess;
    std::unordered_map<void*, std::size_t> device_blocks;

    // Of a call that may fail: counts it, and says how it ends.
    [[nodiscard]] cudaError_t call();
};
[[nodiscard]] Device& device();

}  // namespace emulated_cuda
