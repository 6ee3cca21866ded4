#pragma once
// raw_connection.hpp: a socket to a broker that can say anything, well-formed or not.
//
//   RawConnection raw(broker.endpoint());
//   raw.hello();
//   raw.send_request(wire::Api::ping, 1, body);
//   CHECK(raw.receive()->error == ErrorCode::ok);
//
// No read waits longer than kPatience; one that does, and any other surprise of the socket, is a
// std::runtime_error.

#include <casc/types/result.hpp>
#include <casc/wire/frame.hpp>
#include <casc/wire/messages.hpp>
#include <casc/wire/rpc.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace casc::test {

// A frame as it came, and when it is an error frame what it says.
struct RawFrame {
    wire::FrameHeader header{};
    std::vector<std::byte> body;
    std::vector<std::byte> attachments;
    ErrorCode error = ErrorCode::ok;
    std::string message;
};

// Thread: one at a time.
class RawConnection {
public:
    static constexpr std::chrono::seconds kPatience{30};

    // "127.0.0.1:41003" or "unix:///path".
    explicit RawConnection(const std::string& endpoint);
    ~RawConnection();
    RawConnection(const RawConnection&) = delete;
    RawConnection& operator=(const RawConnection&) = delete;

    // False when the peer has hung up meanwhile, which it may in the middle of nonsense.
    bool send(std::span<const std::byte> bytes);
    bool send(std::string_view text) { return send(std::as_bytes(std::span(text))); }
    // No more from this side; the peer sees the end of the stream.
    void finish_sending();
    // Resets the connection without a goodbye.
    void abort();

    // The next frame; nullopt once the peer has closed.
    std::optional<RawFrame> receive();
    // Everything up to the peer's close, as bytes.
    std::string receive_rest();
    // True once nothing more comes; frames that are still there are an error of the test.
    bool closed_by_peer() { return !receive().has_value(); }

    // The handshake.
    wire::fb::HelloReplyT hello(std::string client_id = "raw");
    // A request and its answer, the only one on its way.
    template <class Request>
    Result<typename wire::Rpc<Request>::ReplyMessage> call(
        const Request& request, std::span<const std::byte> attachments = {});

private:
    // Exactly `into.size()` bytes; false at a clean end before the first.
    bool read_all(std::span<std::byte> into);
    int fd_ = -1;
    std::uint32_t last_correlation_ = 0;
};

// A complete frame with its attachments.
std::vector<std::byte> frame_bytes(wire::FrameKind kind, wire::Api api,
                                   std::uint32_t correlation_id, std::span<const std::byte> body,
                                   std::span<const std::byte> attachments = {});

// A request frame with an encoded message.
template <class Request>
std::vector<std::byte> request_bytes(const Request& request, std::uint32_t correlation_id,
                                     std::span<const std::byte> attachments = {}) {
    wire::Encoder encoder;
    return frame_bytes(wire::FrameKind::request, wire::Rpc<Request>::api, correlation_id,
                       encoder.encode(request), attachments);
}

template <class Request>
Result<typename wire::Rpc<Request>::ReplyMessage> RawConnection::call(
    const Request& request, std::span<const std::byte> attachments) {
    if (!send(request_bytes(request, ++last_correlation_, attachments)))
        return Error(ErrorCode::connection_closed);
    const std::optional<RawFrame> frame = receive();
    if (!frame) return Error(ErrorCode::connection_closed);
    if (frame->header.correlation_id != last_correlation_)
        return Error(ErrorCode::malformed_message, "an answer to something else");
    if (frame->error != ErrorCode::ok) return Error(frame->error, frame->message);
    return wire::decode<typename wire::Rpc<Request>::Reply>(frame->body);
}

// One HTTP request over a connection of its own; status line, headers and body of the answer.
std::string http_get(const std::string& endpoint, const std::string& target);

}  // namespace casc::test
