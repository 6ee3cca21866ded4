// A number becomes an offset only where the code says so.
// expect: could not convert|conversion from
#include <casc/types/vocabulary.hpp>

void seek(casc::Offset to);

inline void seek_to_five() {
    seek(casc::Offset(5));
}
#ifdef CASC_MUST_NOT_COMPILE
inline void seek_to_six() {
    seek(6);
}
#endif
