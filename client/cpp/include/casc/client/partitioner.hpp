#pragma once
// casc/client/partitioner.hpp: which partition a key belongs to. The same as Kafka's default, so
// that producers of both worlds agree.

#include <casc/types/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace casc::client {

// Austin Appleby's MurmurHash2 with the seed and the signedness of Kafka's Utils.murmur2. Thread:
// any.
[[nodiscard]] std::uint32_t murmur2(std::span<const std::byte> data) noexcept;

// (murmur2(key) & 0x7fffffff) % partitions. An empty key is a key. `partitions` is not 0.
[[nodiscard]] inline PartitionId partition_of_key(std::span<const std::byte> key,
                                                  std::uint32_t partitions) noexcept {
    return PartitionId((murmur2(key) & 0x7fffffffu) % partitions);
}

}  // namespace casc::client
