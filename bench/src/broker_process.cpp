#include "broker_process.hpp"

#include "c_strings.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace casc::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Recovery of a large data folder on a busy machine takes a while.
constexpr std::chrono::seconds kStartPatience{300};

std::filesystem::path broker_program() {
    const auto path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "casc-broker";
    if (!std::filesystem::exists(path)) {
        throw std::runtime_error(
            "there is no casc-broker beside casc-bench; build it, or give --address");
    }
    return path;
}

int milliseconds_until(Clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

}  // namespace

BrokerProcess::BrokerProcess(std::filesystem::path folder, std::vector<std::string> settings,
                             bool on_socket)
    : folder_(std::move(folder)), settings_(std::move(settings)), on_socket_(on_socket) {
    start();
}

BrokerProcess::~BrokerProcess() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(process_);
}

void BrokerProcess::start() {
    spawn();
    wait_until_serving();
}

void BrokerProcess::spawn() {
    std::filesystem::remove(folder_ / "ready");
    // Everything that allocates happens before fork(): behind it only async-signal-safe calls are
    // allowed.
    std::vector<std::string> arguments{broker_program().string(),
                                       "--data",
                                       data_folder().string(),
                                       "--listen",
                                       "127.0.0.1:0",
                                       "--http",
                                       "",
                                       "--ready-file",
                                       (folder_ / "ready").string()};
    if (on_socket_) {
        arguments.emplace_back("--listen");
        arguments.push_back("unix://" + socket().string());
    }
    for (const std::string& setting : settings_) {
        arguments.emplace_back("--set");
        arguments.push_back(setting);
    }
    const std::vector<char*> argv = c_strings(arguments);
    const std::string log_path = (folder_ / "log").string();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);  // the parent was gone before the line above
        const int log_file = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
        ::dup2(log_file, STDOUT_FILENO);
        ::dup2(log_file, STDERR_FILENO);
        ::syscall(SYS_close_range, 3u, ~0u, 0u);  // our sockets must not live on in the broker
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    pid_ = child;
    process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0u));
    if (process_ < 0) fail(std::string("pidfd_open: ") + std::strerror(errno));
}

void BrokerProcess::wait_until_serving() {
    const auto deadline = Clock::now() + kStartPatience;
    const int watch = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    ::inotify_add_watch(watch, folder_.c_str(), IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);
    bool ended = false;
    while (!read_ready_file() && !ended && Clock::now() < deadline) {
        pollfd sources[] = {{watch, POLLIN, 0}, {process_, POLLIN, 0}};
        ::poll(sources, 2, milliseconds_until(deadline));
        ended = sources[1].revents != 0;
        char events[4096];
        while (::read(watch, events, sizeof events) > 0) {
        }
    }
    ::close(watch);
    if (ended) fail("it ended instead of serving");
    if (!read_ready_file()) fail("it does not serve");
}

bool BrokerProcess::read_ready_file() {
    std::ifstream in(folder_ / "ready");
    for (std::string kind, value; in >> kind >> value;) {
        if (kind != "endpoint") continue;
        endpoint_ = value;
        return true;
    }
    return false;
}

void BrokerProcess::stop() {
    ::kill(pid_, SIGTERM);
    pollfd source{process_, POLLIN, 0};
    const auto deadline = Clock::now() + kStartPatience;
    int ready = 0;
    do {
        ready = ::poll(&source, 1, milliseconds_until(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) fail("it does not stop");
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ::close(std::exchange(process_, -1));
    pid_ = -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("it did not stop in order");
}

void BrokerProcess::fail(const std::string& what) {
    constexpr std::size_t kTailBytes = 4000;
    std::ifstream in(folder_ / "log");
    std::ostringstream text;
    text << in.rdbuf();
    const std::string all = std::move(text).str();
    throw std::runtime_error("casc-broker: " + what + "; its log ends:\n" +
                             all.substr(all.size() - std::min(all.size(), kTailBytes)));
}

}  // namespace casc::bench
