#include <casc/types/assert.hpp>

#include <cstdio>
#include <cstdlib>

namespace casc::detail {

void assertion_failed(const char* condition, const char* file, int line, const std::string& state) {
    std::fprintf(stderr, "casc: assertion failed: %s at %s:%d [%s]\n", condition, file, line,
                 state.c_str());
    std::abort();
}

}  // namespace casc::detail
