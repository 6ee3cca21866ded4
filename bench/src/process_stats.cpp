#include "process_stats.hpp"

#include <filesystem>
#include <fstream>
#include <istream>
#include <iterator>
#include <sstream>
#include <string>
#include <unistd.h>

namespace casc::bench {
namespace {

std::string proc_path(pid_t process, const char* file) {
    return "/proc/" + std::to_string(process) + '/' + file;
}

}  // namespace

std::optional<ProcessorTimes> parse_processor_times(const std::string& stat) {
    // The second field is the name in parentheses and may hold anything; the fourteenth and
    // fifteenth are the times.
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return {};
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field)
        fields >> skipped;
    ProcessorTimes times;
    if (!(fields >> times.user_seconds >> times.system_seconds)) return {};
    const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
    times.user_seconds /= ticks_per_second;
    times.system_seconds /= ticks_per_second;
    return times;
}

std::optional<Switches> parse_switches(std::istream& status) {
    Switches switches;
    int found = 0;
    for (std::string line; std::getline(status, line);) {
        std::istringstream fields(line);
        std::string name;
        fields >> name;
        if (name == "voluntary_ctxt_switches:" && fields >> switches.voluntary) ++found;
        if (name == "nonvoluntary_ctxt_switches:" && fields >> switches.involuntary) ++found;
    }
    return found == 2 ? std::optional(switches) : std::nullopt;
}

std::optional<ProcessorTimes> processor_times_of(pid_t process) {
    std::ifstream in(proc_path(process, "stat"));
    std::string line;
    std::getline(in, line);
    return parse_processor_times(line);
}

double cpu_seconds_of(pid_t process) {
    const ProcessorTimes times = processor_times_of(process).value_or(ProcessorTimes{});
    return times.user_seconds + times.system_seconds;
}

std::vector<pid_t> threads_of(pid_t process) {
    std::vector<pid_t> threads;
    std::error_code error;
    // Not a range-for, which would throw when the process ends meanwhile.
    for (std::filesystem::directory_iterator entry(proc_path(process, "task"), error), end;
         !error && entry != end; entry.increment(error))
        threads.push_back(std::stoi(entry->path().filename().string()));
    return threads;
}

std::map<pid_t, Switches> switches_by_thread(pid_t process) {
    std::map<pid_t, Switches> by_thread;
    for (const pid_t thread : threads_of(process)) {
        std::ifstream in(proc_path(process, "task/") + std::to_string(thread) + "/status");
        if (const auto switches = parse_switches(in)) by_thread[thread] = *switches;
    }
    return by_thread;
}

std::uint64_t rss_bytes_of(pid_t process) {
    std::ifstream in(proc_path(process, "statm"));
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    in >> total >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t open_files_of(pid_t process) {
    std::error_code error;
    const std::filesystem::directory_iterator files(proc_path(process, "fd"), error);
    return error ? 0 : static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
}

std::optional<std::uint64_t> disk_bytes_written_by(pid_t process) {
    std::ifstream in(proc_path(process, "io"));
    for (std::string name; in >> name;) {
        std::uint64_t value = 0;
        in >> value;
        if (name == "write_bytes:") return value;
    }
    return {};
}

std::uint64_t own_disk_bytes_written() {
    return disk_bytes_written_by(::getpid()).value_or(0);
}

bool drop_page_cache() {
    ::sync();
    std::ofstream out("/proc/sys/vm/drop_caches");
    out << "3\n";
    out.flush();
    return out.good();
}

RssWatch::RssWatch(pid_t process) : process_(process), thread_([this] { watch(); }) {}

RssWatch::~RssWatch() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    stop_.notify_all();
    thread_.join();
}

void RssWatch::watch() {
    std::unique_lock lock(mutex_);
    do {
        const std::uint64_t now = rss_bytes_of(process_);
        if (now > bytes_max_.load(std::memory_order_relaxed))
            bytes_max_.store(now, std::memory_order_relaxed);
    } while (!stop_.wait_for(lock, std::chrono::milliseconds(100), [this] { return stopping_; }));
}

}  // namespace casc::bench
