#pragma once
// How a test waits for a store: as a broker does, asleep. Tests that asked again and again took the
// processors from the threads that they were waiting for, and from the tests beside them.

#include <poll.h>
#include <vector>

namespace casc::test {

// Until `store` has something for poll(), or a moment has passed: some of what a store does begins
// only when time has passed.
template <class Store>
void wait_for_news(Store& store) {
    constexpr int kTickMs = 1;
    std::vector<pollfd> sources;
    for (const int fd : store.event_fds())
        sources.push_back({fd, POLLIN, 0});
    store.submit();  // what the last poll() has made room for
    static_cast<void>(::poll(sources.data(), sources.size(), kTickMs));
}

}  // namespace casc::test
