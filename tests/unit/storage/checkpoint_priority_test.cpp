// The checkpoint thread is in the background, except when somebody waits for it.
#include "store_fixture.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace casc::storage {

namespace {

pid_t checkpoint_thread() {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::ifstream comm(task.path() / "comm");
        std::getline(comm, name);
        if (name == "casc-checkpoint") return std::stoi(task.path().filename().string());
    }
    FAIL("no thread is called casc-checkpoint");
    return 0;
}

// The scheduling policy of the store's checkpoint thread; nothing where this process may not take
// it back from SCHED_IDLE or was started with another policy, which is left alone.
std::optional<int> policy_of_checkpoints() {
    if (::sched_getscheduler(0) != SCHED_OTHER) return std::nullopt;
    const pid_t thread = checkpoint_thread();
    if (::getpriority(PRIO_PROCESS, static_cast<id_t>(thread)) == 19) return std::nullopt;
    return ::sched_getscheduler(thread);
}

// The store's checkpoint thread does nothing, as where busy processes leave it no time. It sits in
// a signal handler: on the other end of a line, which tells when it is there and when it leaves.
class HeldUpCheckpoints {
public:
    HeldUpCheckpoints() {
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line_) == 0);
        struct sigaction hold {};
        hold.sa_handler = [](int) {
            tell(line_[1]);
            hear(line_[1]);
            tell(line_[1]);
        };
        REQUIRE(::sigaction(SIGUSR1, &hold, &before_) == 0);
        REQUIRE(::tgkill(::getpid(), checkpoint_thread(), SIGUSR1) == 0);
        hear(line_[0]);
    }
    ~HeldUpCheckpoints() {
        tell(line_[0]);
        hear(line_[0]);
        static_cast<void>(::sigaction(SIGUSR1, &before_, nullptr));
        ::close(line_[0]);
        ::close(line_[1]);
    }
    HeldUpCheckpoints(const HeldUpCheckpoints&) = delete;
    HeldUpCheckpoints& operator=(const HeldUpCheckpoints&) = delete;

private:
    static void tell(int line) {
        while (::write(line, "", 1) < 0 && errno == EINTR) {
        }
    }
    static void hear(int line) {
        char none = 0;
        while (::read(line, &none, 1) < 0 && errno == EINTR) {
        }
    }

    static inline int line_[2] = {-1, -1};
    struct sigaction before_ {};
};

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

TEST_CASE_FIXTURE(PriorityFixture,
                  "storage/checkpoint_priority: it hurries when reclaiming is late") {
    must_open();
    append(log_of(1), {"a"});
    drain();
    if (!policy_of_checkpoints()) return;
    until_in_background();
    {
        const HeldUpCheckpoints held_up;
        store->post_reclaim();
        CHECK(policy_of_checkpoints() == SCHED_IDLE);
        while (policy_of_checkpoints() != SCHED_OTHER)  // for ever when it never hurries
            wait_for_news();
    }
    until_in_background();
}

}  // namespace casc::storage
