// A full ring refuses; who does not look has lost an item without noticing.
// expect: Werror=unused-result|declared with attribute 'nodiscard'
#include <casc/ring/ring.hpp>

bool asked(casc::ring::RingProducer<int>& ring) {
    return ring.try_push(1);
}
#ifdef CASC_MUST_NOT_COMPILE
void ignored(casc::ring::RingProducer<int>& ring) {
    ring.try_push(1);
}
#endif
