#pragma once
// casc/ring/detail/prefetch.hpp: lines that are asked for before their turn.
//
// A slot's line lies in the other side's cache when its turn comes. Without these each side asks
// for it when it is next in line, and asks for as few at a time as it can look ahead: with items of
// 8 bytes that is one line, or two. Each side goes through its batch in stretches, and before each
// it asks for as many lines further on, so that some always are under way and never more than a
// core can ask for.

#include <algorithm>
#include <cstddef>

namespace casc::ring::detail {

inline constexpr std::size_t kPrefetchLineBytes = 64;
inline constexpr std::size_t kPrefetchStretchBytes = 512;
// How far ahead, see docs/performance.md.
inline constexpr std::size_t kWriteAheadBytes = 4096;
inline constexpr std::size_t kReadAheadBytes = 1024;
// Below this a batch is over before the first line could come.
inline constexpr std::size_t kPrefetchBytesMin = 256;

template <class T>
[[nodiscard]] constexpr std::size_t items_in(std::size_t bytes) {
    return std::max<std::size_t>(bytes / sizeof(T), 1);
}

// Asks for the line of `address`. A hint. always_inline: GCC takes a function that does nothing but
// prefetch for one without effect, and drops the call.
[[gnu::always_inline]] inline void prefetch_to_read(const void* address) noexcept {
    __builtin_prefetch(address);
}
// Asks for the line of `address`, alone: the reader's copy of it becomes invalid. A hint.
inline void prefetch_to_write(const void* address) noexcept {
#if defined(__x86_64__)
    // Not __builtin_prefetch(address, 1): without -mprfchw that asks for a copy to read, which must
    // be asked for again. Processors that do not have the instruction do nothing.
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
    __builtin_prefetch(address, 1);
#endif
}

}  // namespace casc::ring::detail
