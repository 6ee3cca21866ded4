#include "child_process.hpp"

#include "c_strings.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <sstream>
#include <string_view>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace casc::bench::compare {
namespace {

std::string file_text(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Ours, with `additions` in place of what they replace.
std::vector<std::string> environment_with(const std::vector<std::string>& additions) {
    std::vector<std::string> all = additions;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text(*entry);
        const std::string name = text.substr(0, text.find('=') + 1);
        const auto replaces = [&](const std::string& added) { return added.starts_with(name); };
        if (std::ranges::none_of(additions, replaces)) all.push_back(text);
    }
    return all;
}

}  // namespace

std::filesystem::path find_program(const std::string& program) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(std::string(path == nullptr ? "/usr/bin:/bin" : path) +
                               (path == nullptr || *path != '\0' ? ":/usr/sbin:/sbin" : ""));
    for (std::string folder; std::getline(folders, folder, ':');) {
        const auto candidate = std::filesystem::path(folder) / program;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    throw NotInstalled("there is no program '" + program + "' on this machine");
}

void adopt_orphans() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void end_orphans() noexcept {
    // The children of one that ends become ours, so that there may be more than before.
    bool found = true;
    while (found) {
        found = false;
        std::error_code none;
        for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", none)) {
            std::ifstream children(task.path() / "children");
            for (pid_t child = 0; children >> child; found = true) {
                ::kill(child, SIGKILL);
                ::waitpid(child, nullptr, 0);
            }
        }
    }
}

ChildProcess::ChildProcess(Command command) : command_(std::move(command)) {
    spawn();
}

ChildProcess::~ChildProcess() {
    // The group outlives its first process when that one has ended by itself.
    ::kill(-pid_, SIGKILL);
    if (!reaped_) ::waitpid(pid_, nullptr, 0);
    ::close(process_);
}

void ChildProcess::spawn() {
    // Everything that allocates happens before fork(): behind it only async-signal-safe calls are
    // allowed.
    std::vector<std::string> arguments = command_.arguments;
    arguments.insert(arguments.begin(), command_.program.string());
    std::vector<std::string> environment = environment_with(command_.environment);
    const std::vector<char*> argv = c_strings(arguments);
    const std::vector<char*> envp = c_strings(environment);
    const std::string output_path = output_file().string();
    const std::string log_path = log_file().string();
    sigset_t no_signals;
    sigemptyset(&no_signals);  // what we do not take is its own affair
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
    if (child == 0) {
        ::setpgid(0, 0);
        ::sigprocmask(SIG_SETMASK, &no_signals, nullptr);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);  // the parent was gone before the line above
        ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
        ::dup2(::open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        ::dup2(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
        ::syscall(SYS_close_range, 3u, ~0u, 0u);  // our sockets must not live on in it
        if (::chdir(command_.folder.c_str()) != 0) ::_exit(127);
        ::execve(argv[0], argv.data(), envp.data());
        constexpr std::string_view kWhy = "it cannot be executed\n";
        static_cast<void>(!::write(STDERR_FILENO, kWhy.data(), kWhy.size()));
        ::_exit(127);
    }
    ::setpgid(child, child);  // whoever of the two comes first
    pid_ = child;
    process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0u));
}

bool ChildProcess::has_ended() {
    if (!reaped_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
    return reaped_;
}

bool ChildProcess::ends_within(std::chrono::milliseconds patience) {
    pollfd source{process_, POLLIN, 0};
    while (!has_ended()) {
        const int ready = ::poll(&source, 1, static_cast<int>(patience.count()));
        if (ready == 0) return false;
        if (ready < 0 && errno != EINTR) fail(std::string("poll: ") + std::strerror(errno));
    }
    return true;
}

int ChildProcess::wait(std::chrono::milliseconds patience) {
    if (!ends_within(patience))
        fail("it has not ended after " + std::to_string(patience.count()) + " ms");
    if (WIFSIGNALED(status_)) fail("signal " + std::to_string(WTERMSIG(status_)) + " ended it");
    return WEXITSTATUS(status_);
}

std::filesystem::path ChildProcess::output_file() const {
    return command_.folder / (command_.name + ".out");
}

std::filesystem::path ChildProcess::log_file() const {
    return command_.folder / (command_.name + ".log");
}

std::string ChildProcess::output() const {
    return file_text(output_file());
}

std::string ChildProcess::log_tail() const {
    constexpr std::size_t kTailBytes = 2000;
    const std::string all = output() + file_text(log_file());
    return all.substr(all.size() - std::min(all.size(), kTailBytes));
}

void ChildProcess::fail(const std::string& what) const {
    throw std::runtime_error(command_.name + ": " + what + "; its log ends:\n" + log_tail());
}

}  // namespace casc::bench::compare
