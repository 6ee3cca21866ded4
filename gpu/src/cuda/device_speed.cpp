#include "cuda/device_speed.hpp"

#include "cuda/api.hpp"
#include "cuda/matmul.hpp"
#include "cuda/stopwatch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <string>

namespace casc::gpu::cuda {
namespace {

constexpr std::size_t kDeviceBytesMax = std::size_t{1} << 30;
constexpr std::size_t kHostBytesMax = std::size_t{256} << 20;
constexpr std::size_t kDrawnBytes = std::size_t{1} << 20;
constexpr int kRounds = 10;

// Seconds of the fastest of some times.
template <class Work>
Result<double> best_of(const Stopwatch& watch, cudaStream_t stream, Work&& work) {
    float best = 0;
    for (int round = 0; round < kRounds; ++round) {
        CASC_TRY(const float milliseconds, watch.time(stream, work));
        if (round == 0 || milliseconds < best) best = milliseconds;
    }
    return static_cast<double>(best) / 1e3;
}

// Numbers of either sign from a half to one, of 8 bits from one to two: a device that multiplies
// nothing but zeros needs less power, and is faster than it ever is in earnest.
Result<void> draw(std::byte* bytes, ElementType type) {
    std::mt19937_64 random(1);
    for (std::size_t at = 0; at < kDrawnBytes; at += sizeof(std::uint64_t)) {
        std::uint64_t bits = random();
        switch (type) {
            case ElementType::bf16:
                bits = (bits & 0x807F'807F'807F'807F) | 0x3F00'3F00'3F00'3F00;
                break;
            case ElementType::f16:
                bits = (bits & 0x83FF'83FF'83FF'83FF) | 0x3800'3800'3800'3800;
                break;
            case ElementType::f8_e4m3:
                bits = (bits & 0x8787'8787'8787'8787) | 0x3838'3838'3838'3838;
                break;
            case ElementType::f32:
                bits = (bits & 0x807F'FFFF'807F'FFFF) | 0x3F00'0000'3F00'0000;
                break;
            default:
                return Error(
                    ErrorCode::not_supported,
                    "products of " + std::string(to_string(type)) + " are not computed on a GPU");
        }
        std::memcpy(bytes + at, &bits, sizeof bits);
    }
    return {};
}

}  // namespace

// Streams are made last, and so end first: what is still on one uses the memory. (cudaFree waits
// for it.)

Result<CudaBandwidth> measure_bandwidth() {
    std::size_t free_bytes = 0;
    std::size_t all_bytes = 0;
    CASC_TRY_VOID(check(cudaMemGetInfo(&free_bytes, &all_bytes), "see what memory is free"));
    // Half of what is free, for two.
    const std::size_t bytes = std::min(kDeviceBytesMax, free_bytes / 4);
    const std::size_t host_bytes = std::min(kHostBytesMax, bytes);
    CASC_TRY(PinnedMemory pinned,
             make_pinned_memory(PinnedMemory::bytes_of<std::byte>(host_bytes)));
    CASC_TRY(DeviceMemory device, make_device_memory(2 * DeviceMemory::bytes_of<std::byte>(bytes)));
    CASC_TRY(const Stream own, make_stream());
    cudaStream_t const stream = own.get();
    CASC_TRY(const Stopwatch watch, Stopwatch::make());
    auto* const from = device.take<std::byte>(bytes);
    auto* const to = device.take<std::byte>(bytes);
    const auto* const host = pinned.take<std::byte>(host_bytes);
    CASC_TRY_VOID(check(cudaMemsetAsync(from, 0, bytes, stream), "write memory"));
    const auto copy = [&](const void* source, std::size_t count, cudaMemcpyKind kind) {
        return [=] { return check(cudaMemcpyAsync(to, source, count, kind, stream), "copy"); };
    };
    CASC_TRY(const double inside,
             best_of(watch, stream, copy(from, bytes, cudaMemcpyDeviceToDevice)));
    CASC_TRY(const double into,
             best_of(watch, stream, copy(host, host_bytes, cudaMemcpyHostToDevice)));
    return CudaBandwidth{.device = 2 * static_cast<double>(bytes) / inside,
                         .host_to_device = static_cast<double>(host_bytes) / into};
}

Result<double> measure_products(ElementType type, std::uint32_t size) {
    CASC_TRY(PinnedMemory pinned,
             make_pinned_memory(PinnedMemory::bytes_of<std::byte>(kDrawnBytes)));
    auto* const drawn = pinned.take<std::byte>(kDrawnBytes);
    CASC_TRY_VOID(draw(drawn, type));
    const ElementType to = type == ElementType::f8_e4m3 ? ElementType::bf16 : type;
    const std::size_t bytes = std::size_t{size} * size * element_bytes(type);
    const std::size_t product_bytes = std::size_t{size} * size * element_bytes(to);
    CASC_TRY(DeviceMemory device,
             make_device_memory(2 * DeviceMemory::bytes_of<std::byte>(bytes) +
                                DeviceMemory::bytes_of<std::byte>(product_bytes) +
                                DeviceMemory::bytes_of<std::byte>(Matmul::kWorkBytes)));
    CASC_TRY(const Stream own, make_stream());
    cudaStream_t const stream = own.get();
    std::byte* const factors[] = {device.take<std::byte>(bytes), device.take<std::byte>(bytes)};
    auto* const product = device.take<std::byte>(product_bytes);
    for (std::byte* const factor : factors)
        for (std::size_t at = 0; at < bytes; at += kDrawnBytes)
            CASC_TRY_VOID(
                check(cudaMemcpyAsync(factor + at, drawn, std::min(kDrawnBytes, bytes - at),
                                      cudaMemcpyHostToDevice, stream),
                      "copy numbers"));
    CASC_TRY(Matmul matmul, Matmul::make(type, to, device.take<std::byte>(Matmul::kWorkBytes)));
    const ProductShape shape{.rows = size, .columns = size};
    const DeviceMatrix matrix{factors[0]};
    CASC_TRY_VOID(matmul.tune(shape, size, {&matrix, 1}, factors[1], product, stream));
    CASC_TRY(const Stopwatch watch, Stopwatch::make());
    CASC_TRY(const double seconds, best_of(watch, stream, [&] {
                 return matmul.multiply(shape, size, matrix, factors[1], product, stream);
             }));
    return 2.0 * size * size * size / seconds;
}

}  // namespace casc::gpu::cuda
