// prometheus_process.cpp: the process_* families that every Prometheus exporter has. Nothing here
// touches the data folder: /proc is answered by the kernel.

#include "prometheus.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

namespace casc::broker {

namespace {

// The fields of /proc/self/stat behind the program's name, which may hold spaces; field 3 ("state")
// is the first.
struct ProcessStat {
    double cpu_ticks = 0;
    double start_ticks = 0;
    double threads = 0;
    double virtual_bytes = 0;
    double resident_pages = 0;
};

ProcessStat read_stat() {
    std::ifstream in("/proc/self/stat");
    std::string line;
    std::getline(in, line);
    std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
    std::string skipped;
    ProcessStat stat;
    for (int field = 3; field <= 24; ++field) {
        double value = 0;
        if (field == 3) {
            fields >> skipped;
            continue;
        }
        fields >> value;
        if (field == 14 || field == 15) stat.cpu_ticks += value;
        if (field == 20) stat.threads = value;
        if (field == 22) stat.start_ticks = value;
        if (field == 23) stat.virtual_bytes = value;
        if (field == 24) stat.resident_pages = value;
    }
    return stat;
}

double boot_time_seconds() {
    std::ifstream in("/proc/stat");
    for (std::string word; in >> word;) {
        double seconds = 0;
        if (word == "btime" && in >> seconds) return seconds;
    }
    return 0;
}

double open_descriptors() {
    std::error_code error;
    double count = 0;
    for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
         it.increment(error)) {
        ++count;
    }
    return count - 1;  // the one that lists them
}

double descriptor_limit() {
    rlimit limit{};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

}  // namespace

std::vector<MetricFamily> process_metrics() {
    const ProcessStat stat = read_stat();
    const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
    const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
    return {
        single_metric("process_cpu_seconds_total", "User and system CPU time spent.", "counter",
                      stat.cpu_ticks / ticks_per_second),
        single_metric("process_resident_memory_bytes", "Resident memory size.", "gauge",
                      stat.resident_pages * page_bytes),
        single_metric("process_virtual_memory_bytes", "Virtual memory size.", "gauge",
                      stat.virtual_bytes),
        single_metric("process_threads", "Threads of the process.", "gauge", stat.threads),
        single_metric("process_open_fds", "Open file descriptors.", "gauge", open_descriptors()),
        single_metric("process_max_fds", "Limit of open file descriptors.", "gauge",
                      descriptor_limit()),
        single_metric("process_start_time_seconds", "Start time of the process since the epoch.",
                      "gauge", boot_time_seconds() + stat.start_ticks / ticks_per_second),
    };
}

}  // namespace casc::broker
