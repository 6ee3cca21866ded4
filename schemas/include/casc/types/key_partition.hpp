#pragma once
// casc/types/key_partition.hpp: which partition a key belongs to. The same as Kafka's default, so
// that producers of both worlds agree, and the same on both sides of the wire.

#include <casc/types/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace casc {

// Austin Appleby's MurmurHash2 with the seed and the signedness of Kafka's Utils.murmur2. Thread:
// any.
[[nodiscard]] std::uint32_t murmur2(std::span<const std::byte> data) noexcept;

// (murmur2(key) & 0x7fffffff) % partitions. An empty key is a key. `partitions` is not 0.
[[nodiscard]] inline PartitionId partition_of_key(std::span<const std::byte> key,
                                                  std::uint32_t partitions) noexcept {
    return PartitionId((murmur2(key) & 0x7fffffffu) % partitions);
}

}  // namespace casc
