#include "process_meter.hpp"

#include <algorithm>
#include <array>
#include <sys/resource.h>
#include <unistd.h>

namespace casc::bench {
namespace {

double nanos(const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
}

// More exact than /proc, and with the switches of threads that have ended.
Costs own_costs() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    Costs costs;
    costs.set(Cost::user_ns, nanos(usage.ru_utime));
    costs.set(Cost::system_ns, nanos(usage.ru_stime));
    costs.set(Cost::voluntary_switches, static_cast<double>(usage.ru_nvcsw));
    costs.set(Cost::involuntary_switches, static_cast<double>(usage.ru_nivcsw));
    return costs;
}

Costs costs_of(pid_t process) {
    return costs_out_of_proc(processor_times_of(process), disk_bytes_written_by(process));
}

bool is_own(pid_t process) {
    return process == ::getpid();
}

Costs kernel_costs_of(pid_t process) {
    return is_own(process) ? own_costs() : costs_of(process);
}

}  // namespace

Costs unknown_process_costs(const std::string& why) {
    Costs costs;
    for (const Cost cost : {Cost::user_ns, Cost::system_ns, Cost::voluntary_switches,
                            Cost::involuntary_switches, Cost::system_calls, Cost::disk_bytes})
        costs.set_unknown(cost, why);
    return costs;
}

Costs costs_out_of_proc(const std::optional<ProcessorTimes>& times,
                        const std::optional<std::uint64_t>& disk_bytes) {
    Costs costs;
    if (times) {
        costs.set(Cost::user_ns, times->user_seconds * 1e9);
        costs.set(Cost::system_ns, times->system_seconds * 1e9);
    } else {
        for (const Cost cost : {Cost::user_ns, Cost::system_ns})
            costs.set_unknown(cost, "its /proc/PID/stat cannot be read");
    }
    if (disk_bytes)
        costs.set(Cost::disk_bytes, static_cast<double>(*disk_bytes));
    else
        costs.set_unknown(Cost::disk_bytes, "its /proc/PID/io cannot be read");
    return costs;
}

Costs switches_since(const std::map<pid_t, Switches>& before,
                     const std::map<pid_t, Switches>& now) {
    Costs costs;
    const auto is_there = [&](const auto& thread) { return now.contains(thread.first); };
    if (now.empty() || !std::ranges::all_of(before, is_there)) {
        costs.set_unknown(Cost::voluntary_switches, "one of its threads ended meanwhile");
        costs.set_unknown(Cost::involuntary_switches, "one of its threads ended meanwhile");
        return costs;
    }
    double voluntary = 0;
    double involuntary = 0;
    for (const auto& [thread, switches] : now) {
        const auto old = before.find(thread);
        const Switches then = old == before.end() ? Switches{} : old->second;
        voluntary += static_cast<double>(switches.voluntary - then.voluntary);
        involuntary += static_cast<double>(switches.involuntary - then.involuntary);
    }
    costs.set(Cost::voluntary_switches, voluntary);
    costs.set(Cost::involuntary_switches, involuntary);
    return costs;
}

ProcessMeter::ProcessMeter(pid_t process, Counting counting)
    : process_(process), counting_(counting) {
    if (counting != Counting::all_but_calls) calls_.emplace(process);
    start();
}

void ProcessMeter::start() {
    before_ = Costs();
    if (counting_ != Counting::only_calls) {
        if (!is_own(process_)) switches_before_ = switches_by_thread(process_);
        before_ = kernel_costs_of(process_);
    }
    add_calls(before_);  // last, so that the looking of the others does not count
}

Costs ProcessMeter::spent() const {
    Costs now;
    add_calls(now);  // first, as they were last
    if (counting_ != Counting::only_calls) now += kernel_costs_of(process_);
    Costs costs = now.growth_since(before_);
    if (counting_ != Counting::only_calls && !is_own(process_))
        costs += switches_since(switches_before_, switches_by_thread(process_));
    return costs;
}

void ProcessMeter::add_calls(Costs& costs) const {
    if (!calls_) return;
    if (const auto count = calls_->count()) {
        costs.set(Cost::system_calls, static_cast<double>(*count));
    } else {
        costs.set_unknown(Cost::system_calls, calls_->why_not());
    }
}

}  // namespace casc::bench
