#include <casc/types/key_partition.hpp>

#include <cstring>

namespace casc {

std::uint32_t murmur2(std::span<const std::byte> data) noexcept {
    constexpr std::uint32_t kSeed = 0x9747b28c;
    constexpr std::uint32_t kMultiplier = 0x5bd1e995;
    const std::size_t whole = data.size() / 4 * 4;
    auto hash = kSeed ^ static_cast<std::uint32_t>(data.size());

    for (std::size_t at = 0; at < whole; at += 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, data.data() + at, sizeof word);
        word *= kMultiplier;
        word ^= word >> 24;
        word *= kMultiplier;
        hash *= kMultiplier;
        hash ^= word;
    }
    if (whole != data.size()) {
        std::uint32_t rest = 0;  // the one to three bytes at the end, little-endian
        std::memcpy(&rest, data.data() + whole, data.size() - whole);
        hash ^= rest;
        hash *= kMultiplier;
    }
    hash ^= hash >> 13;
    hash *= kMultiplier;
    hash ^= hash >> 15;
    return hash;
}

}  // namespace casc
