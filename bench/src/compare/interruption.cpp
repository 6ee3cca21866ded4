#include "interruption.hpp"

#include "child_process.hpp"

#include <csignal>
#include <pthread.h>
#include <unistd.h>
#include <utility>

namespace casc::bench::compare {
namespace {

constexpr int kAttempts = 100;

sigset_t awaited_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    // The last one is ours, for when nobody has interrupted.
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1})
        sigaddset(&signals, signal);
    return signals;
}

}  // namespace

Interruption::Interruption(std::filesystem::path folder) {
    const sigset_t signals = awaited_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    waiting_ = std::thread([signals, folder = std::move(folder)] {
        int signal = 0;
        ::sigwait(&signals, &signal);
        if (signal == SIGUSR1) return;
        end_orphans();
        // The main thread, whose contestant has just failed, tidies up as well, and two who remove
        // the same files make each other fail.
        std::error_code ignored;
        for (int attempt = 0; attempt < kAttempts && std::filesystem::exists(folder); ++attempt)
            std::filesystem::remove_all(folder, ignored);
        ::_exit(128 + signal);
    });
}

Interruption::~Interruption() {
    ::pthread_kill(waiting_.native_handle(), SIGUSR1);
    waiting_.join();
    const sigset_t signals = awaited_signals();
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace casc::bench::compare
