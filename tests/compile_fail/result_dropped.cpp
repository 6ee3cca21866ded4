// A Result that nobody looks at is an error that nobody sees.
// expect: Werror=unused-result|declared with attribute 'nodiscard'
#include <casc/types/result.hpp>

casc::Result<void> write_it();

inline bool looked_at() {
    return write_it().has_value();
}
#ifdef CASC_MUST_NOT_COMPILE
inline void dropped() {
    write_it();
}
#endif
