// The checkpoint thread is in the background, except when somebody waits for it.
#include "store_fixture.hpp"

#include <fstream>
#include <sched.h>
#include <sys/resource.h>

namespace casc::storage {

namespace {

// The scheduling policy of the store's checkpoint thread; nothing where this process may not take
// it back from SCHED_IDLE.
std::optional<int> policy_of_checkpoints() {
    for (;;) {
        // By number, so that its helper, which begins under the same name, comes after it.
        for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
            std::string name;
            std::ifstream comm(task.path() / "comm");
            std::getline(comm, name);
            if (name != "casc-checkpoint") continue;
            const int thread = std::stoi(task.path().filename().string());
            if (::getpriority(PRIO_PROCESS, static_cast<id_t>(thread)) == 19) return std::nullopt;
            return ::sched_getscheduler(thread);
        }
    }
}

}  // namespace

TEST_CASE_FIXTURE(StoreFixture, "storage/checkpoint_priority: it hurries while much is to store") {
    must_open();
    while (policy_of_checkpoints() == SCHED_OTHER)
        std::this_thread::yield();  // it has not begun
    if (!policy_of_checkpoints()) return;
    // Nothing is polled, so nothing is stored.
    while (!store->congested()) {
        REQUIRE(try_append(log_of(1), {std::string(16_KiB, 'x')}));
        store->submit();
    }
    CHECK(policy_of_checkpoints() == SCHED_IDLE);
    poll();
    CHECK(policy_of_checkpoints() == SCHED_OTHER);
    drain();
    CHECK(policy_of_checkpoints() == SCHED_IDLE);
}

}  // namespace casc::storage
