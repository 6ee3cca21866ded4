#include "frame_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace casc::bench {
namespace {

constexpr timeval kAnswerPatience{.tv_sec = 30, .tv_usec = 0};

Error failed(const std::string& doing) {
    return Error(ErrorCode::connection_error, doing + ": " + std::strerror(errno));
}

// `socket` when it could be connected; else it is closed.
Result<int> connected(int socket, const sockaddr* address, socklen_t length,
                      const std::string& endpoint) {
    if (socket < 0) return failed("a socket");
    if (::connect(socket, address, length) == 0) return socket;
    const bool out_of_ports = errno == EADDRNOTAVAIL;
    Error why = failed("connecting to " + endpoint);
    if (out_of_ports)
        why.detail +=
            "; no port is left for one more connection to it: widen "
            "net.ipv4.ip_local_port_range, or use --address unix:///path";
    ::close(socket);
    return why;
}

Result<int> connect_unix(std::string_view path, const std::string& endpoint) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error(ErrorCode::invalid_config, endpoint + ": the path is too long");
    std::memcpy(address.sun_path, path.data(), path.size());
    return connected(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                     reinterpret_cast<const sockaddr*>(&address), sizeof address, endpoint);
}

// "host:port", "host", "[v6]:port" or "[v6]".
std::pair<std::string, std::string> host_and_port(const std::string& endpoint) {
    const auto bracket = endpoint.rfind(']');
    const auto colon = endpoint.find(':', bracket == std::string::npos ? 0 : bracket);
    std::string host = endpoint.substr(0, colon);
    if (bracket != std::string::npos) host = host.substr(1, bracket - 1);
    if (colon == std::string::npos) return {host, std::to_string(wire::kDefaultPort)};
    return {host, endpoint.substr(colon + 1)};
}

Result<int> connect_tcp(const std::string& endpoint) {
    const auto [host, port] = host_and_port(endpoint);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0)
        return Error(ErrorCode::connection_error, endpoint + ": " + ::gai_strerror(code));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
    const auto try_one = [&](const addrinfo& address) {
        return connected(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0),
                         address.ai_addr, address.ai_addrlen, endpoint);
    };
    // "localhost" is ::1 first, where a broker need not listen.
    Result<int> socket = try_one(*found);
    for (const addrinfo* next = found->ai_next; !socket && next != nullptr; next = next->ai_next)
        socket = try_one(*next);
    const int on = 1;
    if (socket) ::setsockopt(*socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

Result<void> fill(int socket, std::span<std::byte> into) {
    while (!into.empty()) {
        const ssize_t got = ::recv(socket, into.data(), into.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) return Error(ErrorCode::connection_closed, "by the broker");
        if (got < 0) return failed("waiting for an answer");
        into = into.subspan(static_cast<std::size_t>(got));
    }
    return {};
}

// What an error frame says is the error.
Result<wire::Frame> open_answer(std::span<const std::byte> bytes) {
    CASC_TRY(const wire::Frame frame, wire::open_frame(bytes));
    if (frame.header.kind != wire::FrameKind::error) return frame;
    CASC_TRY(const auto reply, wire::decode<wire::fb::ErrorReply>(frame.body));
    return Error(static_cast<ErrorCode>(reply.code), reply.message);
}

// First a header, then what that says is the whole.
Result<std::size_t> bytes_wanted(std::span<const std::byte> there, std::size_t bytes_max) {
    if (there.size() < wire::kFrameHeaderBytes) return wire::kFrameHeaderBytes;
    CASC_TRY(const auto header, wire::peek_frame(there, bytes_max));
    return header->frame_bytes;
}

template <class Request>
std::vector<std::byte> request_frame(const Request& request, std::uint32_t correlation_id) {
    wire::Encoder encoder;
    const auto body = encoder.encode(request);
    std::vector<std::byte> frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, wire::FrameKind::request, wire::Rpc<Request>::api, correlation_id,
                      body, 0);
    return frame;
}

}  // namespace

Result<FrameSocket> FrameSocket::connect(const std::string& endpoint) {
    Result<int> socket = [&] {
        for (const std::string_view scheme : {"unix://", "shm://"})
            if (endpoint.starts_with(scheme))
                return connect_unix(std::string_view(endpoint).substr(scheme.size()), endpoint);
        return connect_tcp(endpoint.starts_with("tcp://") ? endpoint.substr(6) : endpoint);
    }();
    if (!socket) return socket.error();
    ::setsockopt(*socket, SOL_SOCKET, SO_RCVTIMEO, &kAnswerPatience, sizeof kAnswerPatience);
    return FrameSocket(*socket);
}

FrameSocket::~FrameSocket() {
    if (socket_ >= 0) ::close(socket_);
}

Result<void> FrameSocket::send(std::span<const std::byte> frame) {
    // A frame of a few words always fits while the other end reads at all.
    const ssize_t sent = ::send(socket_, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == static_cast<ssize_t>(frame.size())) return {};
    return failed("sending");
}

Result<void> FrameSocket::send_hello(std::uint32_t correlation_id) {
    wire::fb::HelloT hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    hello.client_id = "casc-bench-idle";
    hello.software = "casc-bench";
    return send(request_frame(hello, correlation_id));
}

Result<void> FrameSocket::send_ping(std::uint32_t correlation_id) {
    return send(request_frame(wire::fb::PingT{}, correlation_id));
}

Result<wire::Frame> FrameSocket::receive(FrameMemory& memory) {
    const std::span<std::byte> all(memory.bytes);
    const auto head = all.first(wire::kFrameHeaderBytes);
    CASC_TRY_VOID(fill(socket_, head));
    CASC_TRY(const auto header, wire::peek_frame(head, all.size()));
    CASC_TRY_VOID(fill(socket_, all.first(header->frame_bytes).subspan(head.size())));
    return open_answer(all.first(header->frame_bytes));
}

Result<std::optional<wire::Frame>> FrameSocket::try_receive(FrameMemory& memory) {
    const std::span<std::byte> all(memory.bytes);
    std::ranges::copy(begun_, all.begin());
    for (std::size_t there = begun_.size();;) {
        CASC_TRY(const std::size_t wanted, bytes_wanted(all.first(there), all.size()));
        if (there == wanted) {
            begun_.clear();
            CASC_TRY(const wire::Frame frame, open_answer(all.first(wanted)));
            return std::optional(frame);
        }
        const ssize_t got = ::recv(socket_, all.data() + there, wanted - there, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) return Error(ErrorCode::connection_closed, "by the broker");
        if (got < 0 && errno != EAGAIN) return failed("waiting for an answer");
        if (got < 0) {
            begun_.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(there));
            return std::optional<wire::Frame>();
        }
        there += static_cast<std::size_t>(got);
    }
}

Result<wire::Frame> FrameSocket::receive_answer(std::uint32_t correlation_id, FrameMemory& memory) {
    for (;;) {
        CASC_TRY(const wire::Frame frame, receive(memory));
        if (frame.header.correlation_id == correlation_id) return frame;
    }
}

}  // namespace casc::bench
