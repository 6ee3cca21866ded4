#include "signals.hpp"

#include <casc/types/assert.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace casc::broker {

namespace {

int checked(int descriptor, const char* what) {
    if (descriptor < 0) throw std::system_error(errno, std::generic_category(), what);
    return descriptor;
}

}  // namespace

SignalWaiter::SignalWaiter() {
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP})
        sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal_fd_ = checked(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
    event_fd_ = checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
}

SignalWaiter::~SignalWaiter() {
    ::close(event_fd_);
    ::close(signal_fd_);
}

Wakeup SignalWaiter::wait() {
    for (;;) {
        std::array<pollfd, 2> sources{pollfd{signal_fd_, POLLIN, 0}, pollfd{event_fd_, POLLIN, 0}};
        if (::poll(sources.data(), sources.size(), -1) < 0) {
            CASC_ASSERT(errno == EINTR, errno);
            continue;
        }
        signalfd_siginfo info{};
        if (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            return info.ssi_signo == SIGHUP ? Wakeup::reload_signal : Wakeup::stop_signal;
        }
        std::uint64_t count = 0;
        if (::read(event_fd_, &count, sizeof count) == static_cast<ssize_t>(sizeof count))
            return Wakeup::notified;
    }
}

void SignalWaiter::notify() {
    const std::uint64_t one = 1;
    const ssize_t written = ::write(event_fd_, &one, sizeof one);
    CASC_ASSERT(written == static_cast<ssize_t>(sizeof one), errno);
}

}  // namespace casc::broker
