// An id is a name: it has no successor and no sum.
// expect: no match for 'operator\+'
#include <casc/types/vocabulary.hpp>

static_assert(casc::TopicId(1) < casc::TopicId(2));
#ifdef CASC_MUST_NOT_COMPILE
constexpr auto next = casc::TopicId(1) + casc::TopicId(1);
#endif
