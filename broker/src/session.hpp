#pragma once
// One connection: bytes in, frames out to the dispatcher, answers and pushes back.

#include "produced.hpp"
#include "receive_buffer.hpp"
#include "send_queue.hpp"

#include <casc/ring/ring_link.hpp>
#include <casc/types/error.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/frame.hpp>
#include <casc/wire/messages.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace casc::broker {

class Session;
using SessionPtr = std::shared_ptr<Session>;

// What a session needs from the rest of the broker.
class SessionHost {
public:
    virtual ~SessionHost() = default;
    // A whole, checksummed frame; views are valid during the call.
    virtual void on_frame(Session& session, const wire::Frame& frame) = 0;
    // The connection is gone; nothing can be sent any more. Called exactly once.
    virtual void on_closed(Session& session) = 0;
    // False while producers are held back: the session then stops reading until resume_reading().
    virtual bool may_read(Session& session) = 0;
    // Whether the host will call resume_reading() after a frame was handled, so that the answer to
    // it goes out before the socket is asked for more.
    virtual bool reads_later(Session&) { return false; }
    // The session has something to send; flush() will be called at the end of the turn.
    // `pushed`: what it has first is an event, not an answer.
    virtual void on_pending_output(Session& session, bool pushed) = 0;
    // What was queued has fallen under the low mark: pushes may continue.
    virtual void on_writable(Session& session) = 0;
    // It waits for bytes or room in its rings: serve_rings() is to be called when there are.
    virtual void on_waiting_for_rings(Session& session) = 0;
};

// Thread: io (the shard's, when fused). Lifetime: shared by the operations in flight and the host's
// table.
class Session : public std::enable_shared_from_this<Session> {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;

    // A consumer that does not read gets no more pushes beyond this, a client that does not read
    // its answers is not read from either.
    static constexpr std::size_t kQueuedBytesHigh = 4_MiB;
    static constexpr std::size_t kQueuedBytesLow = 1_MiB;

    Session(Socket socket, SessionHost& host, std::uint64_t number, std::string address,
            std::size_t frame_bytes_max);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start();
    // Sends what is queued, as far as the socket takes it.
    void flush();
    // Closes once everything queued is sent (or at once when `now`).
    void close(bool now = false);
    void resume_reading();
    // Takes no further request until resume_reading() after let_go(): for a producer that is to
    // wait.
    void hold() noexcept { held_ = true; }
    void let_go() noexcept { held_ = false; }
    [[nodiscard]] bool held() const noexcept { return held_; }

    // Answers and pushes; queued, sent at the end of the turn. Ignored once closed.
    void send(wire::FrameKind kind, wire::Api api, std::uint32_t correlation_id,
              std::span<const std::byte> body, std::span<const storage::BatchRef> attachments = {});
    void send_error(wire::Api api, std::uint32_t correlation_id, const Error& error);
    // The same with an attachment that has no block of its own: the room for it, to be filled in at
    // once. Empty once closed.
    [[nodiscard]] std::span<std::byte> send_room(wire::FrameKind kind, wire::Api api,
                                                 std::uint32_t correlation_id,
                                                 std::span<const std::byte> body,
                                                 std::size_t attachment_bytes);
    // ---- shared memory (session_rings.cpp) ----
    // A socket of this host, over which descriptors can be passed.
    [[nodiscard]] bool can_pass_descriptors();
    // Answers the request being handled with the descriptor of `rings` attached, and goes on
    // through them; the socket stays as the bell and the sign of life. Fails with invalid_request:
    // the client has not waited for the answer. Then nothing has changed.
    [[nodiscard]] Result<void> move_to_rings(ring::RingLinkPtr rings,
                                             std::span<const std::byte> answer);
    [[nodiscard]] bool uses_rings() const noexcept { return rings_ != nullptr; }
    [[nodiscard]] int bell() { return socket_.native_handle(); }
    // Takes and writes what the rings have and have room for. False: there was neither.
    bool serve_rings();
    // Asks the client to ring when there is something to serve; false: there is, already.
    [[nodiscard]] bool arm_rings();
    void disarm_rings();

    // What waits to be sent.
    [[nodiscard]] std::size_t queued_bytes() const noexcept { return queue_.bytes(); }

    [[nodiscard]] bool open() const noexcept { return state_ == State::open; }
    // Its queue was full and has not drained yet: no pushes, and no requests whose answers would
    // add to it.
    [[nodiscard]] bool congested() const noexcept { return was_congested_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    // When it last sent something, or took something while it was not read from.
    [[nodiscard]] MonoNanos last_active() const noexcept { return last_active_; }
    [[nodiscard]] std::uint64_t bytes_in() const noexcept { return bytes_in_; }
    [[nodiscard]] std::uint64_t bytes_out() const noexcept { return bytes_out_; }

    // Set by the dispatcher when the handshake is done.
    std::string client_id;
    bool greeted = false;

    Produced produced;

private:
    enum class State : std::uint8_t { open, draining, closed };

    void read();
    void on_read(const boost::system::error_code& error, std::size_t bytes);
    void serve();
    // Hands complete frames to the host, as long as their answers find room. False: read no further
    // for now.
    bool take_frames();
    void fail(const Error& error);
    void log_nonsense(const Error& error) const;
    void announce_output(wire::FrameKind kind);
    void wait_writable();
    void finish();
    // Nullopt: the connection is broken.
    [[nodiscard]] std::optional<std::size_t> write_some(
        std::span<const boost::asio::const_buffer> buffers);
    [[nodiscard]] std::optional<std::size_t> write_to_rings(
        std::span<const boost::asio::const_buffer> buffers);
    [[nodiscard]] bool read_from_rings();
    void listen_for_bell();
    void on_peer_gone();

    SessionHost& host_;
    Socket socket_;
    const std::uint64_t number_;
    const std::string address_;
    const std::size_t frame_bytes_max_;
    State state_ = State::open;
    bool reading_ = false;
    bool held_ = false;
    bool waiting_writable_ = false;
    bool output_announced_ = false;
    bool was_congested_ =
        false;  // since the queue passed the high mark, until it has fallen under the low one
    ReceiveBuffer received_;
    std::size_t frame_in_front_ = 0;  // its size, once known
    SendQueue queue_;
    MonoNanos last_active_;
    // Of a connection that goes through shared memory.
    ring::RingLinkPtr rings_;
    std::array<std::byte, 64> bells_;  // what they say does not matter
    bool peer_gone_ = false;           // what it has left in its ring is still taken
    std::size_t last_bytes_max_ = 0;   // then: no more than this, whoever writes there
    std::uint64_t bytes_in_ = 0;
    std::uint64_t bytes_out_ = 0;
};

}  // namespace casc::broker
