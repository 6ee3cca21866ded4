#include <casc/types/thread.hpp>

#include <cstdint>
#include <sys/resource.h>
#include <sys/syscall.h>
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

}  // namespace

void run_promptly() noexcept {
    SchedulingAttributes attributes;
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
    if (attributes.policy != 0) return;  // somebody has chosen another one
    attributes.size = sizeof attributes;
    attributes.runtime_ns = kPromptSliceNs;
    static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));
}

void run_in_the_background() noexcept {
    const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
    static_cast<void>(::setpriority(PRIO_PROCESS, thread, kBackgroundNice));
}

}  // namespace casc
