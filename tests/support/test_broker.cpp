#include "test_broker.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
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

extern "C" char** environ;

namespace casc::test {

namespace {

using Clock = std::chrono::steady_clock;

// A few MiB of events reach every part of the storage. Frames shrink with the journal: a batch must
// fit half a segment.
const std::vector<std::string> kSmallStorage{
    "storage.journal_segment_bytes=4MiB",
    "storage.journal_segments_min=2",
    "storage.checkpoint_bytes=2MiB",
    "storage.reserve_bytes=64MiB",
    "limits.frame_bytes=2MiB",
};

std::filesystem::path make_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "casc-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        throw std::runtime_error("cannot make " + name + ": " + std::strerror(errno));
    return name;
}

int remaining_ms(Clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::max<std::int64_t>(0, left));
}

std::size_t occurrences(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
        ++count;
    return count;
}

// Pointers for execve(); `texts` must outlive them.
std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts)
        out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

// Wakes up when a file in `folder` is written, made or renamed, or when the process behind `pid_fd`
// ends.
class FolderWatch {
public:
    FolderWatch(const std::filesystem::path& folder, int pid_fd)
        : pid_fd_(pid_fd), fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
        inotify_add_watch(fd_, folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
    }
    ~FolderWatch() { ::close(fd_); }
    FolderWatch(const FolderWatch&) = delete;
    FolderWatch& operator=(const FolderWatch&) = delete;

    enum class News : std::uint8_t { changed, ended, nothing };
    News wait(Clock::time_point deadline) const {
        pollfd sources[] = {{fd_, POLLIN, 0}, {pid_fd_, POLLIN, 0}};
        if (::poll(sources, 2, remaining_ms(deadline)) <= 0) return News::nothing;
        if (sources[1].revents != 0) return News::ended;
        char events[4096];
        while (::read(fd_, events, sizeof events) > 0) {
        }
        return News::changed;
    }

private:
    int pid_fd_;
    int fd_;
};

}  // namespace

TestBroker::TestBroker(Unstarted, TestBrokerOptions options)
    : options_(std::move(options)), folder_(make_folder()) {
    data_directory_ = options_.data_directory.empty() ? folder_ / "data" : options_.data_directory;
}

TestBroker::TestBroker(TestBrokerOptions options) : TestBroker(Unstarted{}, std::move(options)) {
    start();
}

TestBroker::~TestBroker() {
    kill_hard();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

ExitStatus TestBroker::run_to_end(TestBrokerOptions options, std::string& log) {
    TestBroker broker(Unstarted{}, std::move(options));
    broker.spawn();
    const ExitStatus status = broker.wait_exit();
    log = broker.log();
    return status;
}

std::uint16_t TestBroker::port() const {
    const std::string& text = endpoint();
    std::uint16_t port = 0;
    std::from_chars(text.data() + text.rfind(':') + 1, text.data() + text.size(), port);
    return port;
}

std::uint64_t TestBroker::resident_bytes() const {
    std::ifstream in("/proc/" + std::to_string(pid_) + "/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    in >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

static bool wants_shared_memory() {
    const char* const transport = std::getenv("CASC_TEST_TRANSPORT");
    return transport != nullptr && std::string_view(transport) == "shm";
}

std::string TestBroker::socket_path() const {
    return (folder_ / "casc.sock").string();
}

std::string TestBroker::client_endpoint() const {
    return wants_shared_memory() ? "shm://" + socket_path() : endpoint();
}

// --- starting ------------------------------------------------------------------------------------

std::vector<std::string> TestBroker::arguments() const {
    std::vector<std::string> out{CASC_BROKER_PATH};
    const auto add = [&](std::string flag, std::string value) {
        out.push_back(std::move(flag));
        out.push_back(std::move(value));
    };
    add("--data", data_directory_.string());
    for (const std::string& address : options_.listen)
        add("--listen", address);
    const std::string socket = "unix://" + socket_path();
    if (wants_shared_memory() &&
        std::ranges::find(options_.listen, socket) == options_.listen.end())
        add("--listen", socket);
    add("--http", "127.0.0.1:0");
    add("--ready-file", (folder_ / "ready").string());
    add("--set", "log.level=debug");
    if (options_.small_storage) {
        for (const std::string& setting : kSmallStorage)
            add("--set", setting);
    }
    for (const std::string& setting : options_.settings)
        add("--set", setting);
    out.insert(out.end(), options_.flags.begin(), options_.flags.end());
    return out;
}

// Ours without CASC_*: what a developer has set for a broker is not for a test.
std::vector<std::string> TestBroker::environment() const {
    std::vector<std::string> out;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view is(*entry);
        if (!is.starts_with("CASC_") && !is.starts_with("CUDA_VISIBLE_DEVICES="))
            out.emplace_back(*entry);
    }
    // What models answer must not depend on whether the machine has a GPU.
    out.emplace_back("CUDA_VISIBLE_DEVICES=");
    for (const auto& [name, value] : options_.environment)
        out.push_back(name + "=" + value);
    return out;
}

void TestBroker::hold_ports() {
    for (std::string& address : options_.listen) {
        if (address == "127.0.0.1:0") address = held_ports_.emplace_back().endpoint();
    }
}

void TestBroker::spawn() {
    if (running()) fail("it is running already");
    hold_ports();
    std::error_code ignored;
    std::filesystem::remove(folder_ / "ready", ignored);
    // Everything that allocates happens before fork(): behind it only async-signal-safe calls are
    // allowed.
    std::vector<std::string> argument_texts = arguments();
    std::vector<std::string> environment_texts = environment();
    const std::vector<char*> argv = pointers(argument_texts);
    const std::vector<char*> envp = pointers(environment_texts);
    const std::string log_path = (folder_ / "log").string();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) fail(std::string("fork: ") + std::strerror(errno));
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);  // the parent was gone before the line above
        const int log_fd = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        const int null_fd = ::open("/dev/null", O_RDONLY);
        ::dup2(null_fd, STDIN_FILENO);
        ::dup2(log_fd, STDOUT_FILENO);
        ::dup2(log_fd, STDERR_FILENO);
        // The test's own sockets must not live on in the broker.
        ::syscall(SYS_close_range, 3u, ~0u, 0u);
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    pid_ = child;
    pid_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0u));
    if (pid_fd_ < 0) fail(std::string("pidfd_open: ") + std::strerror(errno));
}

void TestBroker::start() {
    spawn();
    wait_until_serving();
}

void TestBroker::wait_until_serving() {
    const auto deadline = Clock::now() + kPatience;
    const FolderWatch watch(folder_, pid_fd_);
    while (!read_ready_file()) {
        switch (watch.wait(deadline)) {
            case FolderWatch::News::changed:
                break;
            case FolderWatch::News::ended:
                fail("it ended instead of serving");
            case FolderWatch::News::nothing:
                fail("it does not serve after " + std::to_string(kPatience.count()) + " s");
        }
    }
}

bool TestBroker::read_ready_file() {
    std::ifstream in(folder_ / "ready");
    if (!in) return false;
    endpoints_.clear();
    http_endpoint_.clear();
    for (std::string kind, value; in >> kind >> value;) {
        if (kind == "endpoint") endpoints_.push_back(value);
        if (kind == "http") http_endpoint_ = value;
    }
    return !endpoints_.empty();
}

// --- ending --------------------------------------------------------------------------------------

void TestBroker::signal(int number) const {
    if (running()) ::kill(pid_, number);
}

void TestBroker::kill_hard() {
    if (!running()) return;
    signal(SIGKILL);
    static_cast<void>(wait_exit());
}

int TestBroker::terminate() {
    if (!running()) fail("it does not run");
    signal(SIGTERM);
    return wait_exit().code;
}

void TestBroker::restart() {
    if (running()) terminate();
    start();
}

ExitStatus TestBroker::wait_exit(std::chrono::milliseconds patience) {
    pollfd source{pid_fd_, POLLIN, 0};
    const auto deadline = Clock::now() + patience;
    int ready = 0;
    do {
        ready = ::poll(&source, 1, remaining_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    const bool late = ready == 0;
    if (late) ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    ::close(pid_fd_);
    pid_ = -1;
    pid_fd_ = -1;
    if (late) fail("it did not end in " + std::to_string(patience.count()) + " ms");
    if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
}

// --- the log -------------------------------------------------------------------------------------

std::string TestBroker::log() const {
    std::ifstream in(folder_ / "log", std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return std::move(text).str();
}

bool TestBroker::wait_for_log(std::string_view text, std::size_t times) const {
    const auto deadline = Clock::now() + kPatience;
    const FolderWatch watch(folder_, pid_fd_);
    while (occurrences(log(), text) < times) {
        if (watch.wait(deadline) != FolderWatch::News::changed)
            return occurrences(log(), text) >= times;
    }
    return true;
}

void TestBroker::fail(const std::string& what) const {
    constexpr std::size_t kLogTailBytes = 8000;
    const std::string text = log();
    const std::string tail = text.substr(text.size() - std::min(text.size(), kLogTailBytes));
    throw std::runtime_error("casc-broker: " + what + "; its log ends:\n" + tail);
}

}  // namespace casc::test
