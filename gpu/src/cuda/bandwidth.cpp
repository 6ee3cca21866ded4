#include "cuda/bandwidth.hpp"

#include "cuda/api.hpp"

#include <algorithm>
#include <cstddef>

namespace casc::gpu::cuda {
namespace {

constexpr std::size_t kDeviceBytesMax = std::size_t{1} << 30;
constexpr std::size_t kHostBytesMax = std::size_t{256} << 20;
constexpr int kRounds = 10;

struct Timers {
    Event began;
    Event ended;
};

// Seconds of the fastest of some copies.
Result<double> best_copy(const Timers& timers, void* to, const void* from, std::size_t bytes,
                         cudaMemcpyKind kind, cudaStream_t stream) {
    float best = 0;
    for (int round = 0; round < kRounds; ++round) {
        CASC_TRY_VOID(check(cudaEventRecord(timers.began.get(), stream), "take the time"));
        CASC_TRY_VOID(check(cudaMemcpyAsync(to, from, bytes, kind, stream), "copy"));
        CASC_TRY_VOID(check(cudaEventRecord(timers.ended.get(), stream), "take the time"));
        CASC_TRY_VOID(check(cudaEventSynchronize(timers.ended.get()), "wait for a copy"));
        float milliseconds = 0;
        CASC_TRY_VOID(
            check(cudaEventElapsedTime(&milliseconds, timers.began.get(), timers.ended.get()),
                  "take the time"));
        if (round == 0 || milliseconds < best) best = milliseconds;
    }
    return static_cast<double>(best) / 1e3;
}

}  // namespace

Result<CudaBandwidth> measure_bandwidth() {
    CASC_TRY(const Stream own, make_stream());
    cudaStream_t const stream = own.get();
    std::size_t free_bytes = 0;
    std::size_t all_bytes = 0;
    CASC_TRY_VOID(check(cudaMemGetInfo(&free_bytes, &all_bytes), "see what memory is free"));
    // Half of what is free, for two.
    const std::size_t bytes = std::min(kDeviceBytesMax, free_bytes / 4);
    const std::size_t host_bytes = std::min(kHostBytesMax, bytes);
    CASC_TRY(DeviceMemory device, make_device_memory(2 * DeviceMemory::bytes_of<std::byte>(bytes)));
    CASC_TRY(PinnedMemory pinned,
             make_pinned_memory(PinnedMemory::bytes_of<std::byte>(host_bytes)));
    Timers timers;
    CASC_TRY(timers.began, make_timer());
    CASC_TRY(timers.ended, make_timer());
    auto* const from = device.take<std::byte>(bytes);
    auto* const to = device.take<std::byte>(bytes);
    const auto* const host = pinned.take<std::byte>(host_bytes);
    CASC_TRY_VOID(check(cudaMemsetAsync(from, 0, bytes, stream), "write memory"));
    CASC_TRY(const double inside,
             best_copy(timers, to, from, bytes, cudaMemcpyDeviceToDevice, stream));
    CASC_TRY(const double into,
             best_copy(timers, to, host, host_bytes, cudaMemcpyHostToDevice, stream));
    return CudaBandwidth{.device = 2 * static_cast<double>(bytes) / inside,
                         .host_to_device = static_cast<double>(host_bytes) / into};
}

}  // namespace casc::gpu::cuda
