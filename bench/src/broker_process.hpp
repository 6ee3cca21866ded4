#pragma once
// A casc-broker of our own, from the folder that casc-bench is in, on a free port.
//
// Thread:   one at a time. The process dies with the thread that started it.
// Lifetime: owns the process; whatever happens it is gone when the object is. Its data stays in
// `folder`.

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace casc::bench {

class BrokerProcess {
public:
    // Starts it with the shipped defaults and `settings` ("limits.connections=5") on top, and waits
    // until it serves. Throws std::runtime_error with the end of its log.
    // With `on_socket` it listens on a Unix socket, too.
    BrokerProcess(std::filesystem::path folder, std::vector<std::string> settings,
                  bool on_socket = false);
    ~BrokerProcess();
    BrokerProcess(const BrokerProcess&) = delete;
    BrokerProcess& operator=(const BrokerProcess&) = delete;

    void start();  // requires that it does not run
    void stop();   // SIGTERM, and waits until it has drained; throws when it does not end well

    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
    // Of the Unix socket.
    [[nodiscard]] std::filesystem::path socket() const { return folder_ / "socket"; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::filesystem::path data_folder() const { return folder_ / "data"; }

private:
    void spawn();
    void wait_until_serving();
    [[nodiscard]] bool read_ready_file();
    [[noreturn]] void fail(const std::string& what);

    const std::filesystem::path folder_;
    const std::vector<std::string> settings_;
    const bool on_socket_;
    std::string endpoint_;
    pid_t pid_ = -1;
    int process_ = -1;  // pidfd
};

}  // namespace casc::bench
