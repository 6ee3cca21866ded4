#pragma once
// How much of a thing a test does.

#include "sanitizers.hpp"

#include <cstddef>

namespace casc::test {

// Under the thread sanitizer, where it takes ten times as long and more, a quarter of `all`: for
// amounts that have nothing to do with threads, like what a disk does or how long a text is. The
// other builds do all of them.
template <class Amount>
constexpr Amount quarter_under_tsan(Amount all) {
#if CASC_THREAD_SANITIZER
    return (all + 3) / 4;
#else
    return all;
#endif
}

// From one to the next, where what is tried is a list.
inline constexpr std::size_t kFourthUnderTsan = quarter_under_tsan(4) == 4 ? 1 : 4;

}  // namespace casc::test
