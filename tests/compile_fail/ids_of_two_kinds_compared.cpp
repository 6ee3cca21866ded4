// A topic is never a partition, even when the numbers agree.
// expect: no match for 'operator=='
#include <casc/types/vocabulary.hpp>

static_assert(casc::TopicId(7) == casc::TopicId(7));
#ifdef CASC_MUST_NOT_COMPILE
static_assert(casc::TopicId(7) == casc::PartitionId(7));
#endif
