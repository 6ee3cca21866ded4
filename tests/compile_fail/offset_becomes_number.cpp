// An offset becomes a number only where the code says .value().
// expect: cannot convert
#include <casc/types/vocabulary.hpp>

#include <cstdint>

constexpr std::uint64_t number = casc::Offset(5).value();
#ifdef CASC_MUST_NOT_COMPILE
constexpr std::uint64_t silently = casc::Offset(5);
#endif
