#include "limits_network.hpp"

#include "host.hpp"
#include "pacing.hpp"

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace casc::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kSendBytes = 64 * 1024;
constexpr std::size_t kReceiveBytes = 256 * 1024;
constexpr std::size_t kEchoBytes = 128;

void check(bool ok, const char* doing) {
    if (!ok) throw std::runtime_error(std::string(doing) + ": " + std::strerror(errno));
}

// Thread: each end is used by one.
class LoopbackPair {
public:
    LoopbackPair() {
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(listener >= 0, "socket");
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        check(::bind(listener, generic, length) == 0 && ::listen(listener, 1) == 0, "listen");
        check(::getsockname(listener, generic, &length) == 0, "getsockname");
        near_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(::connect(near_, generic, length) == 0, "connect");
        far_ = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        check(far_ >= 0, "accept");
        ::close(listener);
        const int on = 1;
        for (const int end : {near_, far_})
            ::setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    ~LoopbackPair() {
        ::close(near_);
        ::close(far_);
    }
    LoopbackPair(const LoopbackPair&) = delete;
    LoopbackPair& operator=(const LoopbackPair&) = delete;

    [[nodiscard]] int near_end() const { return near_; }
    [[nodiscard]] int far_end() const { return far_; }
    void close_near() const { ::shutdown(near_, SHUT_WR); }

private:
    int near_ = -1;
    int far_ = -1;
};

bool send_all(int socket, const std::byte* data, std::size_t bytes) {
    while (bytes > 0) {
        const ssize_t sent = ::send(socket, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        data += sent;
        bytes -= static_cast<std::size_t>(sent);
    }
    return true;
}

bool receive_all(int socket, std::byte* data, std::size_t bytes) {
    while (bytes > 0) {
        const ssize_t received = ::recv(socket, data, bytes, 0);
        if (received <= 0) return false;
        data += received;
        bytes -= static_cast<std::size_t>(received);
    }
    return true;
}

}  // namespace

double tcp_stream_bytes_per_second(std::chrono::nanoseconds duration) {
    LoopbackPair pair;
    std::uint64_t received = 0;
    std::thread receiver([&] {
        std::vector<std::byte> buffer(kReceiveBytes);
        for (ssize_t got = 0;
             (got = ::recv(pair.far_end(), buffer.data(), buffer.size(), 0)) > 0;) {
            received += static_cast<std::uint64_t>(got);
        }
    });
    const std::vector<std::byte> data(kSendBytes, std::byte{1});
    const auto began = Clock::now();
    while (Clock::now() - began < duration && send_all(pair.near_end(), data.data(), data.size())) {
    }
    pair.close_near();
    receiver.join();
    return static_cast<double>(received) /
           std::chrono::duration<double>(Clock::now() - began).count();
}

Histogram tcp_round_trips_ns(std::chrono::nanoseconds duration, Ends ends) {
    LoopbackPair pair;
    std::thread echo([&] {
        if (ends != Ends::anywhere) pin_this_thread(ends == Ends::on_one_processor ? 0 : 1);
        std::array<std::byte, kEchoBytes> message{};
        while (receive_all(pair.far_end(), message.data(), message.size()) &&
               send_all(pair.far_end(), message.data(), message.size())) {
        }
    });
    Histogram times;
    // A thread of its own, so that the caller stays where it may run.
    std::thread ping([&] {
        if (ends != Ends::anywhere) pin_this_thread(0);
        std::array<std::byte, kEchoBytes> message{};
        const auto began = Clock::now();
        for (auto sent = began; sent - began < duration;) {
            if (!send_all(pair.near_end(), message.data(), message.size()) ||
                !receive_all(pair.near_end(), message.data(), message.size())) {
                break;
            }
            const auto now = Clock::now();
            times.record(static_cast<std::uint64_t>((now - sent).count()));
            sent = now;
        }
    });
    ping.join();
    pair.close_near();
    echo.join();
    return times;
}

Histogram tcp_relay_ns(std::chrono::nanoseconds gap, std::size_t message_bytes,
                       std::chrono::nanoseconds duration) {
    LoopbackPair to_relay;
    LoopbackPair from_relay;
    std::thread relay([&] {
        std::vector<std::byte> message(message_bytes);
        while (receive_all(to_relay.far_end(), message.data(), message.size()) &&
               send_all(from_relay.near_end(), message.data(), message.size())) {
        }
        from_relay.close_near();
    });
    Histogram times;
    std::thread receiver([&] {
        std::vector<std::byte> message(message_bytes);
        while (receive_all(from_relay.far_end(), message.data(), message.size())) {
            Clock::rep due = 0;
            std::memcpy(&due, message.data(), sizeof due);
            times.record(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count() - due));
        }
    });
    // A thread of its own, as its timers are precise from then on.
    std::thread sender([&] {
        Pacing pacing;
        std::vector<std::byte> message(message_bytes);
        auto due = Clock::now() + std::chrono::milliseconds(10);
        for (const auto end = due + duration; due < end; due += gap) {
            pacing.wait_until(due);
            const Clock::rep is_due = due.time_since_epoch().count();
            std::memcpy(message.data(), &is_due, sizeof is_due);
            if (!send_all(to_relay.near_end(), message.data(), message.size())) break;
        }
        to_relay.close_near();
    });
    sender.join();
    relay.join();
    receiver.join();
    return times;
}

}  // namespace casc::bench
