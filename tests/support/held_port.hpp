#pragma once
// held_port.hpp: a free TCP port of the loopback that stays free for one broker through all its
// starts.

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace casc::test {

// Between two starts of a broker a connection of any other test could be given its port. So a
// socket here keeps the port bound and never listens: Linux lets a second socket bind and listen
// there when both have set SO_REUSEADDR, and gives the port to nobody who asks for just any.
class HeldPort {
public:
    HeldPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        if (socket_ < 0)
            throw std::system_error(errno, std::generic_category(), "a socket to hold a port");
        const int on = 1;
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof at;
        auto* const address = reinterpret_cast<sockaddr*>(&at);
        if (::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
            ::bind(socket_, address, length) != 0 ||
            ::getsockname(socket_, address, &length) != 0) {
            const int error = errno;
            ::close(socket_);
            throw std::system_error(error, std::generic_category(), "holding a port");
        }
        endpoint_ = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    }
    ~HeldPort() {
        if (socket_ >= 0) ::close(socket_);
    }
    HeldPort(HeldPort&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), endpoint_(std::move(other.endpoint_)) {}
    HeldPort& operator=(HeldPort&&) = delete;

    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

private:
    int socket_;
    std::string endpoint_;
};

}  // namespace casc::test
