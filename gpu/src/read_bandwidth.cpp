#include <casc/gpu/read_bandwidth.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace casc::gpu {
namespace {

constexpr std::size_t kLine = 64;

// Four places at a time, each asked for ahead: one alone, or what the processor foresees by itself,
// reaches half of it.
std::uint64_t sum_of(std::span<const std::byte> bytes) {
    constexpr std::size_t kStreams = 4;
    constexpr std::size_t kPieceBytes = 8 * kLine;
    constexpr std::size_t kAheadBytes = 2048;
    const std::size_t part = bytes.size() / kStreams / kPieceBytes * kPieceBytes;
    std::array<std::uint64_t, kLine / sizeof(std::uint64_t)> sums{};
    for (std::size_t piece = 0; piece < part; piece += kPieceBytes)
        for (std::size_t stream = 0; stream < kStreams; ++stream)
            for (std::size_t line = 0; line < kPieceBytes; line += kLine) {
                const std::byte* const at = bytes.data() + stream * part + piece + line;
                __builtin_prefetch(at + kAheadBytes);
                std::array<std::uint64_t, kLine / sizeof(std::uint64_t)> words;
                std::memcpy(words.data(), at, sizeof words);
                for (std::size_t i = 0; i < words.size(); ++i)
                    sums[i] += words[i];
            }
    std::uint64_t all = 0;
    for (const std::uint64_t sum : sums)
        all += sum;
    return all;
}

// What it returns depends on every byte (but for a remainder), so that all are read.
std::uint64_t read_all(std::span<const std::byte> bytes, std::size_t threads) {
    const std::size_t share = bytes.size() / threads / kLine * kLine;
    std::atomic<std::uint64_t> sum{0};
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < threads; ++i)
        readers.emplace_back([&sum, part = bytes.subspan(i * share, share)] {
            sum.fetch_add(sum_of(part), std::memory_order_relaxed);
        });
    for (std::thread& reader : readers)
        reader.join();
    return sum.load(std::memory_order_relaxed);
}

}  // namespace

double read_bandwidth(std::span<const std::byte> bytes, std::size_t threads) {
    constexpr int kTimes = 10;
    double best = 0;
    volatile std::uint64_t kept = 0;
    for (int i = 0; i < kTimes; ++i) {
        const auto began = std::chrono::steady_clock::now();
        kept = kept + read_all(bytes, std::max<std::size_t>(threads, 1));
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        best = std::max(best, static_cast<double>(bytes.size()) / took.count());
    }
    return best;
}

}  // namespace casc::gpu
