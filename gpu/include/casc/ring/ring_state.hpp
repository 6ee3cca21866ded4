#pragma once
// casc/ring/ring_state.hpp: stopping is a type, not a bool.

#include <cstdint>

namespace casc::ring {

enum class RingState : std::uint8_t {
    open,      // both ends are there
    draining,  // the producer has closed; items are left
    closed,  // nothing will come any more: the producer has closed and all is read, or the consumer
             // has gone
};

}  // namespace casc::ring
