#pragma once
// What a process, ours or another, spends from one moment on.
//
// Thread: one.

#include "event_costs.hpp"
#include "process_stats.hpp"
#include "syscall_counter.hpp"

#include <map>
#include <optional>
#include <sys/types.h>

namespace casc::bench {

// Counting system calls makes each of them about 40 to 125 ns longer, on the whole machine, and
// takes 30 ms to end: next to nothing where a call carries hundreds of events, but much of a
// latency of 40 us with twenty calls in it. Where that matters they are counted in the
// warm-up, or in a run of their own.
enum class Counting : std::uint8_t { everything, all_but_calls, only_calls };

// The costs that the kernel knows of, that is without those of the journal.
class ProcessMeter {
public:
    // Takes a while to get ready, and starts.
    explicit ProcessMeter(pid_t process, Counting counting = Counting::everything);
    // Everything counts from now on.
    void start();
    // Since start(). What is not counted is not in it.
    [[nodiscard]] Costs spent() const;

private:
    void add_calls(Costs& costs) const;

    const pid_t process_;
    const Counting counting_;
    std::optional<SyscallCounter> calls_;
    // As of start().
    Costs before_;
    std::map<pid_t, Switches> switches_before_;
};

// Of a process that may not be looked at, or is not here.
[[nodiscard]] Costs unknown_process_costs(const std::string& why);

// Each figure by itself: a kernel without task accounting has no /proc/PID/io, but the times.
[[nodiscard]] Costs costs_out_of_proc(const std::optional<ProcessorTimes>& times,
                                      const std::optional<std::uint64_t>& disk_bytes);

// Between two looks at the threads of a process. Unknown when one is not there any more: it has
// taken its count with it.
[[nodiscard]] Costs switches_since(const std::map<pid_t, Switches>& before,
                                   const std::map<pid_t, Switches>& now);

}  // namespace casc::bench
