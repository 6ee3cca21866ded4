#pragma once
// casc/ring/sync.hpp: what rings and wakers synchronise with. A parameter, so that the tests can
// put every interleaving under the very code that ships (tests/unit/gpu/explorer.hpp).

#include <casc/ring/event_fd.hpp>

#include <atomic>

namespace casc::ring {

struct StdSync {
    template <class T>
    using Atomic = std::atomic<T>;
    using Event = EventFd;
};

}  // namespace casc::ring
