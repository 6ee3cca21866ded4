#pragma once
// Counts the system calls of a process with the kernel's own tracepoint.
//
// Thread:   one. The counted threads notice nothing but a few dozen nanoseconds a call.
// Lifetime: it counts from construction on, also for threads that the process starts later.

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace casc::bench {

class SyscallCounter {
public:
    explicit SyscallCounter(pid_t process);
    ~SyscallCounter();
    SyscallCounter(const SyscallCounter&) = delete;
    SyscallCounter& operator=(const SyscallCounter&) = delete;

    // So far; nothing when the kernel does not let us count, see why_not().
    [[nodiscard]] std::optional<std::uint64_t> count() const;
    [[nodiscard]] const std::string& why_not() const { return why_not_; }

private:
    bool count_thread(pid_t thread, std::uint64_t tracepoint);
    void give_up(std::string why);

    std::vector<int> counters_;  // one for each thread that there was
    std::string why_not_;
};

}  // namespace casc::bench
