#pragma once
// casc/ring/detail/streaming.hpp: items that go to memory past the writer's cache.
//
// A line that the writer's core keeps must be asked back from it by the reader's core, and asked
// back again, one lap later, by the writer's: two journeys between caches, each as long as the two
// cores are far apart. A streaming store leaves the line in neither cache, so the reader gets it
// from memory, where its prefetching works. For batches of 64 lines that is 1.4 times the items per
// second when the cores share a cache and 5 times when they do not (docs/performance.md), and half
// of them where memory is the slower way (stream_choice.hpp). A few lines are better off in
// the cache: the fence below waits until memory has them all.

#include <casc/types/units.hpp>

#include <cstddef>
#include <type_traits>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace casc::ring::detail {

// Whole lines, so that no line is half in a cache and half on its way to memory.
inline constexpr std::size_t kStreamedLineBytes = 64;

template <class T>
inline constexpr bool kStreamable =
#if defined(__x86_64__)
    std::is_trivially_copyable_v<T> && sizeof(T) % kStreamedLineBytes == 0;
#else
    false;
#endif

// From here on a batch is streamed, see above.
inline constexpr std::size_t kStreamBytesMin = 2_KiB;

#if defined(__x86_64__)
// Copies an item that is kStreamable to `slot`, which begins a line. Before anybody is told of it
// comes streamed().
inline void stream(void* slot, const void* item, std::size_t bytes) noexcept {
    auto* to = static_cast<__m128i*>(slot);
    const auto* from = static_cast<const __m128i*>(item);
    for (std::size_t i = 0; i < bytes / sizeof(__m128i); ++i)
        _mm_stream_si128(to + i, _mm_loadu_si128(from + i));
}

// A release store does not wait for streaming stores; this does.
inline void streamed() noexcept {
    _mm_sfence();
}
#else
inline void stream(void*, const void*, std::size_t) noexcept {}
inline void streamed() noexcept {}
#endif

}  // namespace casc::ring::detail
