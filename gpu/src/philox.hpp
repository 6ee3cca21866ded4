#pragma once
// gpu/src/philox.hpp: random numbers that are computed from their number, with nothing to carry
// from one to the next.
//
// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011): ten rounds of two 32 bit multiplications. They report that it passes all of TestU01's
// BigCrush, also over keys and counters that differ in a single bit, which is how seeds and
// positions are. Nothing in it is secret: it is no cipher.

#include <array>
#include <cstdint>

namespace casc::gpu {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

namespace detail {

[[nodiscard]] constexpr PhiloxCounter philox_round(const PhiloxCounter& x,
                                                   const PhiloxKey& key) noexcept {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * x[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * x[2];
    return {static_cast<std::uint32_t>(b >> 32) ^ x[1] ^ key[0], static_cast<std::uint32_t>(b),
            static_cast<std::uint32_t>(a >> 32) ^ x[3] ^ key[1], static_cast<std::uint32_t>(a)};
}

}  // namespace detail

[[nodiscard]] constexpr PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) noexcept {
    constexpr int kRounds = 10;
    for (int round = 0; round < kRounds; ++round) {
        counter = detail::philox_round(counter, key);
        key[0] += 0x9E3779B9u;  // the golden ratio, and the root of 3 less 1
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

}  // namespace casc::gpu
