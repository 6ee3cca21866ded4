// A ring has one writer; a copy of its producer would be a second one.
// expect: use of deleted function
#include <casc/ring/ring.hpp>

#include <utility>

using Producer = casc::ring::RingProducer<int>;

Producer handed_over(Producer from) {
    return Producer(std::move(from));
}
#ifdef CASC_MUST_NOT_COMPILE
Producer shared(const Producer& from) {
    return Producer(from);
}
#endif
