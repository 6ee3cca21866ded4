#pragma once
// casc/wire/crc32c.hpp: CRC-32C (Castagnoli), the checksum of frames, batches and journal entries.
// Uses the processor's instruction where there is one (x86 SSE4.2, three streams interleaved; Arm
// CRC), tables else. Thread: any.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace casc::wire {

// The checksum of `bytes`, or of everything before them continued over `bytes` when `seed` is its
// checksum.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes,
                                   std::uint32_t seed = 0) noexcept;

// The portable path, for tests and for processors without the instruction.
[[nodiscard]] std::uint32_t crc32c_portable(std::span<const std::byte> bytes,
                                            std::uint32_t seed = 0) noexcept;

// Which one crc32c() uses: "sse4.2", "armv8" or "tables".
[[nodiscard]] std::string_view crc32c_path() noexcept;

}  // namespace casc::wire
