// The checkpoint thread is in the background, except when somebody waits for it.
#include "store_fixture.hpp"

#include <fstream>
#include <sched.h>
#include <sys/resource.h>

namespace casc::storage {

namespace {

// The scheduling policy of the store's checkpoint thread; nothing where this process may not take
// it back from SCHED_IDLE or was started with another policy, which is left alone.
std::optional<int> policy_of_checkpoints() {
    if (::sched_getscheduler(0) != SCHED_OTHER) return std::nullopt;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::ifstream comm(task.path() / "comm");
        std::getline(comm, name);
        if (name != "casc-checkpoint") continue;
        const int thread = std::stoi(task.path().filename().string());
        if (::getpriority(PRIO_PROCESS, static_cast<id_t>(thread)) == 19) return std::nullopt;
        return ::sched_getscheduler(thread);
    }
    FAIL("no thread is called casc-checkpoint");
    return std::nullopt;
}

struct PriorityFixture : StoreFixture {
    // The last answer may be on its way still. Never returns when the thread stays hurried.
    void until_in_background() {
        while (policy_of_checkpoints() != SCHED_IDLE)
            wait_for_news();
    }
};

}  // namespace

TEST_CASE_FIXTURE(PriorityFixture,
                  "storage/checkpoint_priority: it hurries while much is to store") {
    must_open();
    if (!policy_of_checkpoints()) return;
    CHECK(policy_of_checkpoints() == SCHED_IDLE);
    // Nothing is polled, so nothing is stored.
    while (!store->congested()) {
        REQUIRE(try_append(log_of(1), {std::string(16_KiB, 'x')}));
        store->submit();
    }
    CHECK(policy_of_checkpoints() == SCHED_IDLE);
    poll();
    CHECK(policy_of_checkpoints() == SCHED_OTHER);
    drain();
    until_in_background();
}

TEST_CASE_FIXTURE(PriorityFixture,
                  "storage/checkpoint_priority: it hurries while something is read from the disk") {
    must_open();
    append(log_of(1), {"a"});
    restart();
    if (!policy_of_checkpoints()) return;
    store->post_read(
        {.token = 1, .log = log_of(1), .from = Offset(0), .until = Offset(1), .bytes_max = 4_KiB});
    CHECK(policy_of_checkpoints() == SCHED_OTHER);
    while (answers.empty())
        wait_for_news();
    answers.clear();
    append(log_of(1), {"b"});
    drain();
    until_in_background();
}

}  // namespace casc::storage
