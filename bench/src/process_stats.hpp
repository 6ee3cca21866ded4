#pragma once
// What the kernel knows of a process, ours or the broker's.
//
// Thread: any, except RssWatch, which says.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace casc::bench {

struct ProcessorTimes {
    double user_seconds = 0;
    double system_seconds = 0;
};
struct Switches {
    std::uint64_t voluntary = 0;
    std::uint64_t involuntary = 0;
};

// Out of /proc/PID/stat and /proc/PID/task/TID/status; nothing when it is not there.
[[nodiscard]] std::optional<ProcessorTimes> parse_processor_times(const std::string& stat);
[[nodiscard]] std::optional<Switches> parse_switches(std::istream& status);

// Nothing when there is no such process (any more) or it may not be looked at. Times are of all
// threads, also those that have ended, in steps of 10 ms.
[[nodiscard]] std::optional<ProcessorTimes> processor_times_of(pid_t process);
[[nodiscard]] std::optional<std::uint64_t> disk_bytes_written_by(pid_t process);
// Of the threads that there are.
[[nodiscard]] std::vector<pid_t> threads_of(pid_t process);
[[nodiscard]] std::map<pid_t, Switches> switches_by_thread(pid_t process);

// All are 0 when there is no such process (any more) or it may not be looked at.
[[nodiscard]] double cpu_seconds_of(pid_t process);  // user and system, all threads, up to now
[[nodiscard]] std::uint64_t rss_bytes_of(pid_t process);
[[nodiscard]] std::uint64_t open_files_of(pid_t process);
[[nodiscard]] std::uint64_t own_disk_bytes_written();  // handed to the block layer by this process

// Empties the page cache, so that the next read comes from the device. False when we may not, or
// when it has no effect here; then a "cold" read is only as cold as the process that reads.
[[nodiscard]] bool drop_page_cache();

// Looks at a process's memory ten times a second.
// Thread: constructed, asked and destroyed on one; samples on a thread of its own.
class RssWatch {
public:
    explicit RssWatch(pid_t process);
    ~RssWatch();
    RssWatch(const RssWatch&) = delete;
    RssWatch& operator=(const RssWatch&) = delete;

    [[nodiscard]] std::uint64_t bytes_max() const {
        return bytes_max_.load(std::memory_order_relaxed);
    }

private:
    void watch();

    const pid_t process_;
    std::atomic<std::uint64_t> bytes_max_{0};  // written by the sampling thread, read by anyone
    std::mutex mutex_;
    std::condition_variable stop_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace casc::bench
