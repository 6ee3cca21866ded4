#include "broker_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" char** environ;

namespace casc::demo {

namespace {

using namespace std::chrono_literals;

constexpr auto kStartPatience = 30s;
constexpr auto kPollInterval = 2ms;

std::filesystem::path make_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "casc-demo-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        throw std::runtime_error("cannot make " + name + ": " + std::strerror(errno));
    return name;
}

std::string program_path() {
    const auto beside =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "casc-broker";
    if (!std::filesystem::exists(beside)) {
        throw std::runtime_error("there is no " + beside.string() + "; ./dev demo builds it");
    }
    return beside.string();
}

}  // namespace

BrokerProcess::BrokerProcess() : folder_(make_folder()) {
    start();
}

BrokerProcess::~BrokerProcess() {
    if (pid_ > 0) kill_hard();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void BrokerProcess::start() {
    spawn();
    wait_until_serving();
}

void BrokerProcess::spawn() {
    std::error_code ignored;
    std::filesystem::remove(folder_ / "ready", ignored);
    std::vector<std::string> arguments{program_path(),
                                       "--data",
                                       (folder_ / "data").string(),
                                       "--listen",
                                       endpoint_,
                                       "--http",
                                       "127.0.0.1:0",
                                       "--ready-file",
                                       (folder_ / "ready").string(),
                                       "--set",
                                       "models.folder=" + models_folder().string()};
    std::vector<char*> argv;
    for (std::string& argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    const std::string log = (folder_ / "log").string();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
    if (pid_ > 0) return;
    // In the child, where only async-signal-safe calls are allowed. A demo that is interrupted
    // takes its broker along; Ctrl-C itself is for the demo, hence the own process group.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpgid(0, 0);
    if (::getppid() != parent) ::_exit(127);
    const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    ::execve(argv[0], argv.data(), environ);
    ::_exit(127);
}

void BrokerProcess::wait_until_serving() {
    const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
    while (!read_ready_file()) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            throw std::runtime_error("casc-broker ended instead of serving; its log ends:\n" +
                                     log_tail());
        }
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error("casc-broker does not serve; its log ends:\n" + log_tail());
        }
        std::this_thread::sleep_for(kPollInterval);
    }
}

bool BrokerProcess::read_ready_file() {
    std::ifstream in(folder_ / "ready");
    std::string kind;
    std::string value;
    while (in >> kind >> value) {
        if (kind != "endpoint") continue;
        endpoint_ = value;
        return true;
    }
    return false;
}

void BrokerProcess::kill_hard() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
}

int BrokerProcess::stop() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string BrokerProcess::log_tail() const {
    constexpr std::size_t kTailBytes = 4000;
    std::ifstream in(folder_ / "log", std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    const std::string all = std::move(text).str();
    return all.substr(all.size() - std::min(all.size(), kTailBytes));
}

}  // namespace casc::demo
