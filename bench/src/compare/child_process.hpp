#pragma once
// Another program, for as long as the object lives: in a process group of its own, its output in a
// log file.
//
// Thread:   one at a time. The process dies with the thread that started it.
// Lifetime: owns the process group; whatever happens it is gone when the object is.

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <vector>

namespace casc::bench::compare {

struct NotInstalled : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Command {
    std::string name;  // of the log file, and in messages
    std::filesystem::path program;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;  // "NAME=value", on top of ours
    std::filesystem::path folder;          // it works in; its log is here
};

// Where `program` is on $PATH or in the folders for administrators, where servers lie. Throws
// NotInstalled.
[[nodiscard]] std::filesystem::path find_program(const std::string& program);

// What the processes that we have ended have left behind becomes a child of ours from now on.
void adopt_orphans();
// Ends every child of ours, and waits for it. No ChildProcess may be used any more.
void end_orphans() noexcept;

class ChildProcess {
public:
    explicit ChildProcess(Command command);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool has_ended();
    // False: not within that time.
    [[nodiscard]] bool ends_within(std::chrono::milliseconds patience);
    // Its exit status. Throws when it takes longer, or is ended by a signal.
    int wait(std::chrono::milliseconds patience);
    // Standard output, standard error apart from it.
    [[nodiscard]] std::string output() const;
    // The end of standard error, and of standard output where that is the log.
    [[nodiscard]] std::string log_tail() const;
    [[noreturn]] void fail(const std::string& what) const;

private:
    [[nodiscard]] std::filesystem::path output_file() const;
    [[nodiscard]] std::filesystem::path log_file() const;
    void spawn();

    const Command command_;
    pid_t pid_ = -1;
    int process_ = -1;  // pidfd
    int status_ = 0;
    bool reaped_ = false;
};

}  // namespace casc::bench::compare
