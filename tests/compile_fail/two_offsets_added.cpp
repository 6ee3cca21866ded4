// An offset is a place in a log; the sum of two places means nothing.
// expect: no match for 'operator\+'
#include <casc/types/vocabulary.hpp>

constexpr casc::Offset moved = casc::Offset(2) + casc::OffsetDelta(3);
static_assert(moved == casc::Offset(5));
#ifdef CASC_MUST_NOT_COMPILE
constexpr auto sum = casc::Offset(2) + casc::Offset(3);
#endif
