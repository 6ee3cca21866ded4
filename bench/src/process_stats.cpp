#include "process_stats.hpp"

#include <filesystem>
#include <fstream>
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

double cpu_seconds_of(pid_t process) {
    std::ifstream in(proc_path(process, "stat"));
    std::string line;
    if (!std::getline(in, line)) return 0;
    // The second field is the name in parentheses and may hold anything; the fourteenth and
    // fifteenth are the times.
    std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
    std::string skipped;
    for (int field = 3; field < 14; ++field)
        fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
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

std::uint64_t own_disk_bytes_written() {
    std::ifstream in("/proc/self/io");
    for (std::string name; in >> name;) {
        std::uint64_t value = 0;
        in >> value;
        if (name == "write_bytes:") return value;
    }
    return 0;
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
