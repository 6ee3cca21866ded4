#pragma once
// Ctrl-C in the middle of a run: the servers end, and their data goes.
//
// Thread: made by the main one before there is any other, since threads inherit which signals they
// do not take.

#include <filesystem>
#include <thread>

namespace casc::bench::compare {

class Interruption {
public:
    // On SIGINT and SIGTERM ends all children, removes `folder` and ends the program.
    explicit Interruption(std::filesystem::path folder);
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

private:
    std::thread waiting_;
};

}  // namespace casc::bench::compare
