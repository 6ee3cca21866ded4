// A ring has one reader; a copy of its consumer would be a second one.
// expect: use of deleted function
#include <casc/ring/ring.hpp>

#include <utility>

using Consumer = casc::ring::RingConsumer<int>;

Consumer handed_over(Consumer from) {
    return Consumer(std::move(from));
}
#ifdef CASC_MUST_NOT_COMPILE
Consumer shared(const Consumer& from) {
    return Consumer(from);
}
#endif
