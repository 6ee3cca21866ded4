#include "raw_connection.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace casc::test {

namespace {

constexpr std::string_view kUnixScheme = "unix://";
// More than any broker under test sends; a length beyond it means that the stream is out of step.
constexpr std::size_t kFrameBytesMax = 64u << 20;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error("raw connection: " + what);
}

int connect_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        ::close(fd);
        fail("connect " + path + ": " + std::strerror(error));
    }
    return fd;
}

int connect_tcp(const std::string& endpoint) {
    const std::size_t colon = endpoint.rfind(':');
    std::uint16_t port = 0;
    std::from_chars(endpoint.data() + colon + 1, endpoint.data() + endpoint.size(), port);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address.sin_addr);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        ::close(fd);
        fail("connect " + endpoint + ": " + std::strerror(error));
    }
    return fd;
}

}  // namespace

RawConnection::RawConnection(const std::string& endpoint)
    : fd_(endpoint.starts_with(kUnixScheme) ? connect_unix(endpoint.substr(kUnixScheme.size()))
                                            : connect_tcp(endpoint)) {
    const timeval patience{kPatience.count(), 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

RawConnection::~RawConnection() {
    if (fd_ >= 0) ::close(fd_);
}

bool RawConnection::send(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
        if (sent < 0 && errno == EAGAIN) fail("the broker does not take what is sent");
        if (sent < 0) fail(std::string("send: ") + std::strerror(errno));
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

void RawConnection::finish_sending() {
    ::shutdown(fd_, SHUT_WR);
}

void RawConnection::abort() {
    const linger reset{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(fd_);
    fd_ = -1;
}

bool RawConnection::read_all(std::span<std::byte> into) {
    std::size_t have = 0;
    while (have < into.size()) {
        const ssize_t got = ::recv(fd_, into.data() + have, into.size() - have, 0);
        if (got < 0 && errno == EAGAIN) fail("nothing came, and the connection is still open");
        if (got < 0 && errno != ECONNRESET) fail(std::string("recv: ") + std::strerror(errno));
        if (got <= 0) {
            if (have != 0) fail("the connection ended inside of a frame");
            return false;
        }
        have += static_cast<std::size_t>(got);
    }
    return true;
}

std::optional<RawFrame> RawConnection::receive() {
    std::vector<std::byte> bytes(wire::kFrameHeaderBytes);
    if (!read_all(bytes)) return std::nullopt;
    const auto header = wire::peek_frame(bytes, kFrameBytesMax);
    if (!header || !*header) fail("the broker sent something that is no frame");
    bytes.resize((*header)->frame_bytes);
    const auto rest = std::span(bytes).subspan(wire::kFrameHeaderBytes);
    if (!rest.empty() && !read_all(rest)) fail("the connection ended behind a header");
    const auto frame = wire::open_frame(bytes);
    if (!frame) fail("the broker sent a bad frame: " + frame.error().message());

    RawFrame out;
    out.header = frame->header;
    out.body.assign(frame->body.begin(), frame->body.end());
    out.attachments.assign(frame->attachments.begin(), frame->attachments.end());
    if (out.header.kind == wire::FrameKind::error) {
        const auto reply = wire::decode<wire::fb::ErrorReply>(out.body);
        if (!reply) fail("an error frame that cannot be read");
        out.error = static_cast<ErrorCode>(reply->code);
        out.message = reply->message;
    }
    return out;
}

std::string RawConnection::receive_rest() {
    std::string text;
    char chunk[4096];
    for (;;) {
        const ssize_t got = ::recv(fd_, chunk, sizeof chunk, 0);
        if (got < 0 && errno == EAGAIN) fail("nothing came, and the connection is still open");
        if (got <= 0) return text;
        text.append(chunk, static_cast<std::size_t>(got));
    }
}

wire::fb::HelloReplyT RawConnection::hello(std::string client_id) {
    wire::fb::HelloT hello;
    hello.version_min = wire::kProtocolVersion;
    hello.version_max = wire::kProtocolVersion;
    hello.client_id = std::move(client_id);
    hello.software = "casc-tests";
    auto reply = call(hello);
    if (!reply) fail("hello: " + reply.error().message());
    return std::move(reply).value();
}

std::vector<std::byte> frame_bytes(wire::FrameKind kind, wire::Api api,
                                   std::uint32_t correlation_id, std::span<const std::byte> body,
                                   std::span<const std::byte> attachments) {
    std::vector<std::byte> bytes(wire::framed_bytes(body.size()));
    wire::write_frame(bytes, kind, api, correlation_id, body, attachments.size());
    bytes.insert(bytes.end(), attachments.begin(), attachments.end());
    return bytes;
}

std::string http_get(const std::string& endpoint, const std::string& target) {
    RawConnection connection(endpoint);
    connection.send("GET " + target + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    return connection.receive_rest();
}

}  // namespace casc::test
