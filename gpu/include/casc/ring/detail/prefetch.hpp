#pragma once
// casc/ring/detail/prefetch.hpp: lines that are asked for before they are written.
//
// A slot's line lies in the reader's cache when its turn comes again, one lap later. Without these
// the writer asks for it when the store is next in line, and asks for few at a time.

#include <cstddef>

namespace casc::ring::detail {

inline constexpr std::size_t kPrefetchLineBytes = 64;
// So far ahead of what is being written lines are asked for. Batches of 512 bytes go at 1.08 times
// the speed with 1 KiB, 1.11 with 2 KiB, 1.12 with 4 KiB (docs/performance.md).
inline constexpr std::size_t kPrefetchAheadBytes = 2048;
// Below this a batch is over before the first line could come.
inline constexpr std::size_t kPrefetchBytesMin = 256;

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
