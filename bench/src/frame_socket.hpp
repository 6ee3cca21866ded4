#pragma once
// A connection to a broker without the client library: no thread, no queue, one frame at a time.
//
// Thread: one at a time.

#include <casc/wire/rpc.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace casc::bench {

// Room for the frame that was received last, aligned as its body wants it.
struct alignas(8) FrameMemory {
    std::array<std::byte, 4096> bytes;
};

class FrameSocket {
public:
    // To "host:port", "unix:///path", or the socket of "shm:///path". Nothing is said yet.
    [[nodiscard]] static Result<FrameSocket> connect(const std::string& endpoint);
    FrameSocket(FrameSocket&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), begun_(std::move(other.begun_)) {}
    FrameSocket& operator=(FrameSocket&& other) noexcept {
        std::swap(socket_, other.socket_);
        std::swap(begun_, other.begun_);
        return *this;
    }
    ~FrameSocket();

    [[nodiscard]] Result<void> send_hello(std::uint32_t correlation_id);
    [[nodiscard]] Result<void> send_ping(std::uint32_t correlation_id);
    // The answer to that request; what still answers earlier ones is passed over. The frame lies in
    // `memory`. Fails with what an error frame says, and connection_error when there is nothing for
    // half a minute.
    [[nodiscard]] Result<wire::Frame> receive_answer(std::uint32_t correlation_id,
                                                     FrameMemory& memory);
    // The next frame, whatever it answers, or nothing when it is not all there yet. Never waits.
    // Not to be mixed with receive_answer(), which does not know of what has come of a frame.
    [[nodiscard]] Result<std::optional<wire::Frame>> try_receive(FrameMemory& memory);

    [[nodiscard]] int descriptor() const noexcept { return socket_; }

private:
    explicit FrameSocket(int socket) : socket_(socket) {}
    [[nodiscard]] Result<void> send(std::span<const std::byte> frame);
    [[nodiscard]] Result<wire::Frame> receive(FrameMemory& memory);

    int socket_;
    std::vector<std::byte> begun_;  // of a frame of which the rest has not come yet
};

}  // namespace casc::bench
