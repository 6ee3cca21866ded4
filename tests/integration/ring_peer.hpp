#pragma once
// ring_peer.hpp: a client of shared memory that can write anything anywhere, well-formed or not.
//
//   RingPeer peer(path_of_the_socket);
//   peer.send(request_bytes(...));
//   peer.receive()                              // a frame out of the ring
//   peer.to_broker().written.store(nonsense);   // and so on
//
// It knows the memory from docs/protocol.md alone, not from the code that is under test.

#include "broker_verbs.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace casc::test {

// One direction, as it lies in the memory.
struct RawCursors {
    alignas(128) std::atomic<std::uint64_t> written;
    alignas(128) std::atomic<std::uint64_t> read;
    alignas(128) std::atomic<std::uint32_t> reader_waits;
    alignas(128) std::atomic<std::uint32_t> writer_waits;
};
static_assert(sizeof(RawCursors) == 512);

// Thread: one at a time.
class RingPeer {
public:
    explicit RingPeer(const std::string& path, std::uint32_t ring_bytes = 0) {
        socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
        hello();
        open(ring_bytes);
    }
    RingPeer(const RingPeer&) = delete;
    RingPeer& operator=(const RingPeer&) = delete;
    ~RingPeer() {
        if (memory_ != nullptr) ::munmap(memory_, 4096 + 2 * ring_bytes_);
        if (file_ >= 0) ::close(file_);
        if (socket_ >= 0) ::close(socket_);
    }

    [[nodiscard]] std::uint64_t features() const { return features_; }
    [[nodiscard]] std::size_t ring_bytes() const { return ring_bytes_; }
    [[nodiscard]] int file() const { return file_; }
    [[nodiscard]] int socket() const { return socket_; }
    [[nodiscard]] RawCursors& to_broker() { return *reinterpret_cast<RawCursors*>(memory_ + 512); }
    [[nodiscard]] RawCursors& to_client() { return *reinterpret_cast<RawCursors*>(memory_ + 1024); }
    [[nodiscard]] std::span<std::byte> out() { return {memory_ + 4096, ring_bytes_}; }
    [[nodiscard]] std::span<std::byte> in() { return {memory_ + 4096 + ring_bytes_, ring_bytes_}; }

    void bell() { REQUIRE(::send(socket_, "", 1, MSG_NOSIGNAL) == 1); }

    // All of it, waiting for room; false when the broker has hung up.
    bool send(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const std::uint64_t room = ring_bytes_ - (sent_ - to_broker().read.load());
            if (room == 0) {
                to_broker().writer_waits.store(1);
                if (to_broker().read.load() + ring_bytes_ == sent_ && !wait_for_bell())
                    return false;
                continue;
            }
            const std::size_t count = std::min<std::size_t>(room, bytes.size());
            for (std::size_t i = 0; i < count; ++i)
                out()[(sent_ + i) % ring_bytes_] = bytes[i];
            sent_ += count;
            bytes = bytes.subspan(count);
            to_broker().written.store(sent_);
            if (to_broker().reader_waits.exchange(0) != 0) bell();
        }
        return true;
    }
    // The next `into.size()` bytes; false when the broker has hung up before.
    bool receive(std::span<std::byte> into) {
        std::size_t have = 0;
        bool gone = false;
        while (have < into.size()) {
            const std::uint64_t ready = to_client().written.load() - taken_;
            if (ready == 0) {
                if (gone) return false;
                to_client().reader_waits.store(1);
                if (to_client().written.load() == taken_) gone = !wait_for_bell();
                continue;
            }
            into[have++] = in()[taken_++ % ring_bytes_];
            to_client().read.store(taken_);
            if (to_client().writer_waits.exchange(0) != 0)
                gone = ::send(socket_, "", 1, MSG_NOSIGNAL) != 1;
        }
        return true;
    }
    std::optional<RawFrame> receive() {
        std::vector<std::byte> bytes(wire::kFrameHeaderBytes);
        if (!receive(std::span(bytes))) return std::nullopt;
        const auto header = must(wire::peek_frame(bytes, 64u << 20));
        REQUIRE(header);
        bytes.resize(header->frame_bytes);
        REQUIRE(receive(std::span(bytes).subspan(wire::kFrameHeaderBytes)));
        return taken_apart(bytes);
    }
    template <class Request>
    Result<typename wire::Rpc<Request>::ReplyMessage> call(
        const Request& request, std::span<const std::byte> attachments = {}) {
        if (!send(request_bytes(request, ++last_correlation_, attachments)))
            return Error(ErrorCode::connection_closed);
        const auto frame = receive();
        if (!frame) return Error(ErrorCode::connection_closed);
        CHECK(frame->header.correlation_id == last_correlation_);
        if (frame->error != ErrorCode::ok) return Error(frame->error, frame->message);
        return wire::decode<typename wire::Rpc<Request>::Reply>(frame->body);
    }
    // The broker hangs up before long, whatever it says before.
    bool is_hung_up_on() {
        while (wait_for_bell()) {
        }
        return true;
    }

private:
    static RawFrame taken_apart(std::span<const std::byte> bytes) {
        const auto frame = must(wire::open_frame(bytes));
        RawFrame out;
        out.header = frame.header;
        out.body.assign(frame.body.begin(), frame.body.end());
        out.attachments.assign(frame.attachments.begin(), frame.attachments.end());
        if (out.header.kind == wire::FrameKind::error) {
            const auto reply = must(wire::decode<wire::fb::ErrorReply>(out.body));
            out.error = static_cast<ErrorCode>(reply.code);
            out.message = reply.message;
        }
        return out;
    }
    // False at the end of the socket.
    bool wait_for_bell() {
        pollfd source{socket_, POLLIN, 0};
        REQUIRE(::poll(&source, 1, 30'000) == 1);
        char bells[64];
        return ::recv(socket_, bells, sizeof bells, 0) > 0;
    }
    // One frame from the socket, with the descriptor that may be attached.
    RawFrame receive_from_socket() {
        std::vector<std::byte> bytes(4096);
        iovec piece{bytes.data(), bytes.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t count = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
        REQUIRE(count > 0);
        if (const cmsghdr* const header = CMSG_FIRSTHDR(&message))
            std::memcpy(&file_, CMSG_DATA(header), sizeof file_);
        bytes.resize(static_cast<std::size_t>(count));
        return taken_apart(bytes);
    }
    void hello() {
        fb::HelloT hello;
        hello.version_min = hello.version_max = wire::kProtocolVersion;
        hello.client_id = "ring-peer";
        hello.features = 1;
        const auto bytes = request_bytes(hello, 1);
        REQUIRE(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0);
        features_ = must(wire::decode<fb::HelloReply>(receive_from_socket().body)).features;
    }
    void open(std::uint32_t ring_bytes) {
        fb::OpenRingsT request;
        request.ring_bytes = ring_bytes;
        const auto bytes = request_bytes(request, 2);
        REQUIRE(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0);
        const RawFrame frame = receive_from_socket();
        refused_ = frame.error;
        if (refused_ != ErrorCode::ok) return;
        const auto reply = must(wire::decode<fb::OpenRingsReply>(frame.body));
        REQUIRE(reply.layout == 1);
        ring_bytes_ = reply.ring_bytes;
        REQUIRE(file_ >= 0);
        void* const at =
            ::mmap(nullptr, 4096 + 2 * ring_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
        REQUIRE(at != MAP_FAILED);
        memory_ = static_cast<std::byte*>(at);
        REQUIRE(std::memcmp(memory_, "CSR1", 4) == 0);
    }

public:
    // Why there are no rings; ok when there are.
    [[nodiscard]] ErrorCode refused() const { return refused_; }

private:
    int socket_ = -1;
    int file_ = -1;
    ErrorCode refused_ = ErrorCode::ok;
    std::uint64_t features_ = 0;
    std::size_t ring_bytes_ = 0;
    std::byte* memory_ = nullptr;
    std::uint64_t sent_ = 0;
    std::uint64_t taken_ = 0;
    std::uint32_t last_correlation_ = 10;
};

}  // namespace casc::test
