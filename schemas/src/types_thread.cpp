#include <casc/types/thread.hpp>

#include <cstdint>
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace casc {

namespace {

// As in linux/sched/types.h, which glibc's headers do not get along with.
struct SchedulingAttributes {
    std::uint32_t size = sizeof(SchedulingAttributes);
    std::uint32_t policy = 0;  // SCHED_OTHER
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = 0;
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48, "the first published size of sched_attr");

constexpr std::uint64_t kPromptSliceNs = 100'000;  // the smallest there is
constexpr int kBackgroundNice = 19;
constexpr MonoNanos::distance kBetweenBreaths{30'000};

// Of a thread, not of a process, in spite of its name; its nice value stays what it is.
bool set_policy(int thread, int policy) noexcept {
    const sched_param none{};
    return ::sched_setscheduler(thread, policy, &none) == 0;
}

}  // namespace

void run_promptly() noexcept {
    SchedulingAttributes attributes;
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
    if (attributes.policy != 0) return;  // somebody has chosen another one
    attributes.size = sizeof attributes;
    attributes.runtime_ns = kPromptSliceNs;
    static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));
}

// As nice 19 gives it.
void use_lowest_io_priority() noexcept {
    constexpr int lowest = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_BE_NR - 1);
    static_cast<void>(::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, lowest));
}

void BackgroundPriority::begin() {
    if (::sched_getscheduler(0) != SCHED_OTHER) return;  // somebody has chosen another one
    // Tried by a thread that may be lost to it.
    bool comes_back = false;
    std::thread([&] {
        comes_back = set_policy(0, SCHED_IDLE) && set_policy(0, SCHED_OTHER);
    }).join();
    const auto thread = static_cast<int>(::syscall(SYS_gettid));
    if (comes_back && set_policy(thread, SCHED_IDLE)) {
        use_lowest_io_priority();
        thread_ = thread;
        return;
    }
    static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(thread), kBackgroundNice));
}

void BackgroundPriority::hurry(bool hurried) noexcept {
    if (hurried == hurried_ || thread_ == 0) return;
    if (set_policy(thread_, hurried ? SCHED_OTHER : SCHED_IDLE)) hurried_ = hurried;
}

void Breather::breathe() noexcept {
    if (mono_now() - last_ < kBetweenBreaths) return;
    static_cast<void>(::sched_yield());
    last_ = mono_now();
}

}  // namespace casc
