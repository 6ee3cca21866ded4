#pragma once
// casc/gpu/read_bandwidth.hpp: how fast a machine reads memory, which is what bounds decoding on a
// processor: every step reads all weights once.

#include <cstddef>
#include <span>

namespace casc::gpu {

// Bytes per second of so many threads that only read these; the best of ten times. They should be
// more than the caches hold. Thread: any, and nobody else at work.
[[nodiscard]] double read_bandwidth(std::span<const std::byte> bytes, std::size_t threads);

}  // namespace casc::gpu
