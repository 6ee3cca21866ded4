// An Error that is made and not returned was meant to be returned.
// expect: Werror=unused-value|Werror=unused-result|declared with attribute 'nodiscard'
#include <casc/types/error.hpp>

casc::Error why();

inline bool looked_at() {
    return why().code == casc::ErrorCode::timeout;
}
#ifdef CASC_MUST_NOT_COMPILE
inline void dropped() {
    why();
}
#endif
