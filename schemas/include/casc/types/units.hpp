#pragma once
// casc/types/units.hpp: literals, so that sizes and times in the code read like their
// documentation.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace casc {

inline namespace literals {

using namespace std::chrono_literals;  // 250us, 5s, ...

constexpr std::size_t operator""_KiB(unsigned long long n) {
    return static_cast<std::size_t>(n) << 10;
}
constexpr std::size_t operator""_MiB(unsigned long long n) {
    return static_cast<std::size_t>(n) << 20;
}
constexpr std::size_t operator""_GiB(unsigned long long n) {
    return static_cast<std::size_t>(n) << 30;
}

}  // namespace literals

// Two adjacent 64-byte lines are fetched together by the spatial prefetcher of the processors casc
// runs on, so things written by different threads are kept 128 bytes apart.
inline constexpr std::size_t kCacheLineBytes = 128;

// Rounds up to a multiple of `alignment`, which is a power of two.
template <class Int>
constexpr Int align_up(Int value, Int alignment) {
    return static_cast<Int>((value + alignment - 1) & ~(alignment - 1));
}

}  // namespace casc
