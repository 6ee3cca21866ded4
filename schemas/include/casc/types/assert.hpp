#pragma once
// casc/types/assert.hpp: what must be true if casc itself is right. On in every build: a broker
// that has lost track of its own state must stop before it writes.

#include <sstream>
#include <string>

namespace casc::detail {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   const std::string& state);

template <class... State>
std::string describe_state(const State&... state) {
    std::ostringstream out;
    ((out << state << ' '), ...);
    return out.str();
}

}  // namespace casc::detail

// CASC_ASSERT(next == end, next, end): prints condition, place and the listed state, then aborts.
#define CASC_ASSERT(condition, ...)                                         \
    (__builtin_expect(static_cast<bool>(condition), 1)                      \
         ? static_cast<void>(0)                                             \
         : ::casc::detail::assertion_failed(#condition, __FILE__, __LINE__, \
                                            ::casc::detail::describe_state(__VA_ARGS__)))
