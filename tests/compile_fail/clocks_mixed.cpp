// Wall-clock and monotonic time have different zeros; their difference is nonsense.
// expect: no match for 'operator-'
#include <casc/types/vocabulary.hpp>

static_assert(casc::MonoNanos(5) - casc::MonoNanos(2) == casc::MonoNanos::distance(3));
#ifdef CASC_MUST_NOT_COMPILE
constexpr auto age = casc::EpochNanos(5) - casc::MonoNanos(2);
#endif
