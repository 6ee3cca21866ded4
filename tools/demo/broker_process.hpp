#pragma once
// broker_process.hpp: the casc-broker that stands beside the demo's own program, in a temporary
// folder.

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>

namespace casc::demo {

// Trouble is a std::runtime_error with the end of the broker's log. Thread: main; the process dies
// with it.
class BrokerProcess {
public:
    // Starts it on a free port and waits until it serves.
    BrokerProcess();
    ~BrokerProcess();  // ends it and removes the folder
    BrokerProcess(const BrokerProcess&) = delete;
    BrokerProcess& operator=(const BrokerProcess&) = delete;

    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    // Where it looks for models; empty at first.
    [[nodiscard]] std::filesystem::path models_folder() const { return folder_ / "models"; }
    [[nodiscard]] pid_t pid() const { return pid_; }

    void kill_hard();          // SIGKILL: nothing is flushed, nobody is told
    void start();              // at the same address as before
    [[nodiscard]] int stop();  // SIGTERM; the exit code, or -1 when it did not end by itself

private:
    void spawn();
    void wait_until_serving();
    [[nodiscard]] bool read_ready_file();
    [[nodiscard]] std::string log_tail() const;

    std::filesystem::path folder_;
    std::string endpoint_ = "127.0.0.1:0";
    pid_t pid_ = -1;
};

}  // namespace casc::demo
