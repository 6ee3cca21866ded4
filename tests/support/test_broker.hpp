#pragma once
// test_broker.hpp: a real casc-broker process for one test, on a free port and in a folder of its
// own. It listens at the same port after each start (for HTTP at another one).
//
//   TestBroker broker;                                   // serving
//   connect(broker.endpoint());
//   broker.kill_hard();                                  // as a power cut
//   broker.restart();
//   CHECK(broker.terminate() == 0);                      // SIGTERM, drained
//
// Whatever happens the process is gone and the folder removed when the object is. Trouble is a
// std::runtime_error that carries the broker's log, so that a failing test says why.

#include "held_port.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace casc::test {

struct TestBrokerOptions {
    std::vector<std::string> settings =
        {};  // "limits.connections=5"; win over the small defaults for tests
    std::vector<std::string> flags = {};  // any other flag, as it stands on the command line
    std::map<std::string, std::string> environment = {};  // for instance CASC_FAIL_POINT
    std::vector<std::string> listen = {"127.0.0.1:0"};
    // A folder that the test owns and that outlives the broker. Empty: one inside the broker's own.
    std::filesystem::path data_directory = {};
    // Small journal and checkpoints, so that a few MiB of events go through all of the storage.
    bool small_storage = true;
};

struct ExitStatus {
    int code = -1;  // -1: killed by `signal`
    int signal = 0;
    bool operator==(const ExitStatus&) const = default;
};

// Thread:   one at a time. The process dies with the thread that started it, so start from one that
// lives on. Lifetime: owns the process and the folder.
class TestBroker {
public:
    static constexpr std::chrono::seconds kPatience{
        60};  // a sanitized broker on a busy machine is slow

    // Starts and waits until it serves.
    explicit TestBroker(TestBrokerOptions options = {});
    ~TestBroker();
    TestBroker(const TestBroker&) = delete;
    TestBroker& operator=(const TestBroker&) = delete;

    // Runs casc-broker with these options to its end, for starts that must fail. `log` gets what it
    // printed.
    static ExitStatus run_to_end(TestBrokerOptions options, std::string& log);

    // As bound: "127.0.0.1:41003".
    [[nodiscard]] const std::string& endpoint(std::size_t index = 0) const {
        return endpoints_.at(index);
    }
    [[nodiscard]] const std::string& http_endpoint() const { return http_endpoint_; }
    [[nodiscard]] std::uint16_t port() const;
    // Where a client of its own is to connect: its first endpoint, or, with
    // CASC_TEST_TRANSPORT=shm in the environment, rings in shared memory. So that what is tested of
    // the client can be tested over either.
    [[nodiscard]] std::string client_endpoint() const;
    [[nodiscard]] const std::filesystem::path& data_directory() const { return data_directory_; }
    // Holds the data folder, log and config file; a place for the test's own files too.
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool running() const { return pid_ > 0; }
    [[nodiscard]] std::uint64_t resident_bytes() const;

    // What the next start uses; for instance a fail-point, or another port.
    [[nodiscard]] TestBrokerOptions& options() { return options_; }

    void start();                   // requires that it does not run
    void kill_hard();               // SIGKILL, and waits for the end
    int terminate();                // SIGTERM; the exit code
    void restart();                 // after any end; drains first when it still runs
    void signal(int number) const;  // and does not wait
    ExitStatus wait_exit(
        std::chrono::milliseconds patience = kPatience);  // until it ends by itself

    // Everything that all runs have logged.
    [[nodiscard]] std::string log() const;
    // Until `text` occurs in the log `times` times or the broker ends; false when it never came.
    [[nodiscard]] bool wait_for_log(std::string_view text, std::size_t times = 1) const;

private:
    struct Unstarted {};
    TestBroker(Unstarted, TestBrokerOptions options);
    [[nodiscard]] std::vector<std::string> arguments() const;
    [[nodiscard]] std::string socket_path() const;
    [[nodiscard]] std::vector<std::string> environment() const;
    void hold_ports();
    void spawn();
    void wait_until_serving();
    bool read_ready_file();
    [[noreturn]] void fail(const std::string& what) const;

    TestBrokerOptions options_;
    std::filesystem::path folder_;
    std::filesystem::path data_directory_;
    std::vector<HeldPort> held_ports_;
    std::vector<std::string> endpoints_;
    std::string http_endpoint_;
    pid_t pid_ = -1;
    int pid_fd_ = -1;
};

}  // namespace casc::test
