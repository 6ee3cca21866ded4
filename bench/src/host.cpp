#include "host.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <thread>
#include <unistd.h>

namespace casc::bench {
namespace {

rusage own_usage() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage;
}

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

std::string cpu_name() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

std::uint32_t cpu_count() {
    return std::thread::hardware_concurrency();
}

std::uint64_t memory_bytes() {
    return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string kernel_name() {
    utsname name{};
    ::uname(&name);
    return std::string(name.sysname) + ' ' + name.release;
}

std::string commit_name() {
    return CASC_COMMIT;
}

std::uint64_t own_rss_bytes_max() {
    return static_cast<std::uint64_t>(own_usage().ru_maxrss) * 1024;
}

double own_cpu_seconds() {
    const rusage usage = own_usage();
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double stolen_cpu_seconds() {
    std::ifstream stat("/proc/stat");
    std::string name;
    std::array<double, 8> ticks{};  // user nice system idle iowait irq softirq steal
    stat >> name;
    for (double& of_kind : ticks)
        stat >> of_kind;
    return stat ? ticks.back() / static_cast<double>(::sysconf(_SC_CLK_TCK)) : 0;
}

std::uint64_t allow_open_files(std::uint64_t count) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    if (limit.rlim_cur >= count) return limit.rlim_cur;
    const rlimit raised{.rlim_cur = count, .rlim_max = std::max<rlim_t>(count, limit.rlim_max)};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return count;
    // Only the privileged raise the hard limit.
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

bool pin_this_thread(std::uint32_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set) == 0;
}

}  // namespace casc::bench
