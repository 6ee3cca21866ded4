#include "syscall_counter.hpp"

#include "process_stats.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace casc::bench {
namespace {

std::optional<std::uint64_t> tracepoint_id() {
    for (const char* mount : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
        std::ifstream in(std::string(mount) + "/events/raw_syscalls/sys_enter/id");
        std::uint64_t id = 0;
        if (in >> id) return id;
    }
    return {};
}

int open_counter(pid_t thread, std::uint64_t tracepoint) {
    perf_event_attr attributes{};
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_TRACEPOINT;
    attributes.config = tracepoint;
    attributes.inherit = 1;
    return static_cast<int>(
        ::syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

SyscallCounter::SyscallCounter(pid_t process) {
    const auto tracepoint = tracepoint_id();
    if (!tracepoint) {
        give_up("the tracepoint raw_syscalls:sys_enter cannot be read; it needs tracefs and root");
        return;
    }
    // Listed once: a thread that is started from now on is counted with the one that starts it, and
    // would be counted twice if it were looked for.
    for (const pid_t thread : threads_of(process))
        if (!count_thread(thread, *tracepoint)) return;
    if (counters_.empty()) give_up("there is no such process");
}

SyscallCounter::~SyscallCounter() {
    for (const int counter : counters_)
        ::close(counter);
}

bool SyscallCounter::count_thread(pid_t thread, std::uint64_t tracepoint) {
    const int counter = open_counter(thread, tracepoint);
    if (counter >= 0) {
        counters_.push_back(counter);
        return true;
    }
    if (errno == ESRCH) return true;  // it has ended since it was listed
    const char* remedy = errno == EMFILE ? "; each thread takes one, ulimit -n raises it"
                                         : "; it needs CAP_PERFMON, or "
                                           "kernel.perf_event_paranoid of 1 or less";
    give_up(std::string("perf_event_open: ") + std::strerror(errno) + remedy);
    return false;
}

void SyscallCounter::give_up(std::string why) {
    for (const int counter : std::exchange(counters_, {}))
        ::close(counter);
    why_not_ = std::move(why);
}

std::optional<std::uint64_t> SyscallCounter::count() const {
    if (counters_.empty()) return {};
    std::uint64_t sum = 0;
    for (const int counter : counters_) {
        std::uint64_t value = 0;
        // It may always be read, also when its thread has ended.
        if (::read(counter, &value, sizeof value) != sizeof value) return {};
        sum += value;
    }
    return sum;
}

}  // namespace casc::bench
