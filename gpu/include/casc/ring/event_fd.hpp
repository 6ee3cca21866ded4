#pragma once
// casc/ring/event_fd.hpp: the kernel object behind a Waker, a counter that a thread can sleep on.

#include <casc/types/assert.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace casc::ring {

// How long a reader may sleep; nullopt sleeps until it is woken.
using SleepLimit = std::optional<std::chrono::nanoseconds>;

// An eventfd, non-blocking and closed on exec.
//
// Thread: signal() any; the rest the thread that sleeps on it.
class EventFd {
public:
    EventFd() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        // Only descriptors or kernel memory can be missing, and rings are made at startup or when a
        // session opens.
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    ~EventFd() { ::close(fd_); }
    EventFd(const EventFd&) = delete;
    EventFd& operator=(const EventFd&) = delete;

    // Readable (POLLIN) from signal() until consume(). An event loop may wait for it.
    [[nodiscard]] int fd() const noexcept { return fd_; }

    void signal() noexcept {
        const std::uint64_t one = 1;
        while (::write(fd_, &one, sizeof one) < 0) {
            // EAGAIN would mean 2^64 - 2 signals pending.
            CASC_ASSERT(errno == EINTR, errno);
        }
    }

    // Takes the signals so far and returns how many there were.
    std::uint64_t consume() noexcept {
        std::uint64_t count = 0;
        while (::read(fd_, &count, sizeof count) < 0) {
            if (errno == EAGAIN) return 0;
            CASC_ASSERT(errno == EINTR, errno);
        }
        return count;
    }

    // Sleeps until signalled, until `limit` has passed, or until a Unix signal is handled.
    void wait(SleepLimit limit) noexcept {
        pollfd descriptor{fd_, POLLIN, 0};
        timespec timeout{};
        if (limit) {
            const auto seconds = std::chrono::floor<std::chrono::seconds>(*limit);
            timeout.tv_sec = static_cast<std::time_t>(seconds.count());
            timeout.tv_nsec = static_cast<long>((*limit - seconds).count());
        }
        const int ready = ::ppoll(&descriptor, 1, limit ? &timeout : nullptr, nullptr);
        CASC_ASSERT(ready >= 0 || errno == EINTR, errno);
    }

private:
    const int fd_;
};

}  // namespace casc::ring
