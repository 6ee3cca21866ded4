// What the scheduler is told of a thread in the background.
#include <casc/types/thread.hpp>

#include <doctest/doctest.h>

#include <future>
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace casc;

namespace {

int nice_of(int thread) {
    return ::getpriority(PRIO_PROCESS, static_cast<id_t>(thread));
}

// Begins, and ends when the case does.
struct BackgroundThread {
    BackgroundThread() : worker([this] { run(); }) { id = begun.get_future().get(); }
    ~BackgroundThread() {
        finish.set_value();
        worker.join();
    }
    void run() {
        auto finished = finish.get_future();
        priority.begin();
        begun.set_value(static_cast<int>(::syscall(SYS_gettid)));
        finished.wait();
    }

    BackgroundPriority priority;
    std::promise<int> begun;
    std::promise<void> finish;
    int id = 0;
    std::thread worker;
};

}  // namespace

TEST_CASE("types/thread: a thread in the background is idle until it is hurried, and again after") {
    BackgroundThread background;
    if (const int chosen = ::sched_getscheduler(0); chosen != SCHED_OTHER) {
        // Whoever started this process has chosen: then nothing is changed.
        background.priority.hurry(true);
        CHECK(::sched_getscheduler(background.id) == chosen);
        return;
    }
    if (::sched_getscheduler(background.id) == SCHED_OTHER) {
        // This process may not take a thread back from SCHED_IDLE.
        CHECK(nice_of(background.id) == 19);
        background.priority.hurry(true);
        CHECK(::sched_getscheduler(background.id) == SCHED_OTHER);
        CHECK(nice_of(background.id) == 19);
        return;
    }
    CHECK(::sched_getscheduler(background.id) == SCHED_IDLE);
    const auto io = ::syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, background.id);
    CHECK(io == IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
    background.priority.hurry(true);
    CHECK(::sched_getscheduler(background.id) == SCHED_OTHER);
    CHECK(nice_of(background.id) == nice_of(0));
    background.priority.hurry(false);
    CHECK(::sched_getscheduler(background.id) == SCHED_IDLE);
}

TEST_CASE("types/thread: the thread that hurries another stays what it is") {
    const int before = ::sched_getscheduler(0);
    BackgroundThread background;
    background.priority.hurry(true);
    background.priority.hurry(false);
    CHECK(::sched_getscheduler(0) == before);
}

TEST_CASE("types/thread: a thread that has not begun is not hurried") {
    const int before = ::sched_getscheduler(0);
    BackgroundPriority priority;
    priority.hurry(true);  // thread 0 would be the caller
    priority.hurry(false);
    CHECK(::sched_getscheduler(0) == before);
}
