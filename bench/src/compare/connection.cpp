#include "connection.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace casc::bench::compare {
namespace {

// A whole answer of the usual size in one call of recv().
constexpr std::size_t kReceiveBytes = 256u << 10;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

[[noreturn]] void fail_with_errno(const char* doing) {
    throw std::runtime_error(std::string(doing) + ": " + std::strerror(errno));
}

int connect_to(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return -1;
    const sockaddr_in address = loopback(port);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return socket;
    ::close(socket);
    return -1;
}

}  // namespace

std::uint16_t free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    const bool done =
        ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    ::close(socket);
    if (!done) fail_with_errno("finding a free port");
    return ntohs(address.sin_port);
}

bool is_listening(std::uint16_t port) {
    const int socket = connect_to(port);
    if (socket >= 0) ::close(socket);
    return socket >= 0;
}

Connection::Connection(std::uint16_t port) : socket_(connect_to(port)) {
    make_room(kReceiveBytes);
    if (socket_ < 0) fail_with_errno("connecting");
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval tick{.tv_sec = 0, .tv_usec = kTickMs * 1000};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
}

Connection::~Connection() {
    ::close(socket_);
}

void Connection::make_room(std::size_t bytes) {
    auto larger = std::make_unique_for_overwrite<char[]>(bytes);
    if (end_ > 0) std::memcpy(larger.get(), memory_.get(), end_);
    memory_ = std::move(larger);
    capacity_ = bytes;
}

void Connection::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) fail_with_errno("sending");
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

bool Connection::receive() {
    return receive(0);
}

bool Connection::receive_available() {
    return receive(MSG_DONTWAIT);
}

bool Connection::receive(int flags) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (capacity_ - end_ < kReceiveBytes / 4) {
        std::memmove(memory_.get(), memory_.get() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
        if (capacity_ - end_ < kReceiveBytes / 4) make_room(capacity_ * 2);
    }
    const ssize_t got = ::recv(socket_, memory_.get() + end_, capacity_ - end_, flags);
    if (got > 0) end_ += static_cast<std::size_t>(got);
    if (got == 0) throw std::runtime_error("the server has closed the connection");
    if (got < 0 && errno != EAGAIN && errno != EINTR) fail_with_errno("receiving");
    return got > 0;
}

void Connection::need_more(const char* doing) {
    for (int tick = 0; tick < kPatienceTicks; ++tick) {
        if (receive()) return;
    }
    throw std::runtime_error(std::string(doing) + ": no answer for 30 s");
}

}  // namespace casc::bench::compare
