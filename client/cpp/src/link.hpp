#pragma once
// client/src/link.hpp: one connection to one broker, from the first attempt to the end: resolve,
// connect, hello, then frames in both directions until it breaks or is closed.

#include "endpoint.hpp"
#include "receive_buffer.hpp"
#include "timer.hpp"

#include <casc/ring/ring_link.hpp>
#include <casc/types/result.hpp>
#include <casc/types/units.hpp>
#include <casc/wire/frame.hpp>
#include <casc/wire/messages.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace casc::client {

namespace asio = boost::asio;

class Link;

// How a borrowed frame fares.
struct WriteMark {
    unsigned pending =
        0;  // times it waits in a link's queue; its bytes must stay as they are until this is 0
    bool lost = false;  // a link gave it up before it was all written
};

// What a link tells its owner, on the I/O thread. The owner may close the link from inside any of
// them.
class LinkOwner {
public:
    virtual void link_opened(Link& link) = 0;
    // A whole, checked frame; its bytes lie in `buffer`.
    virtual void link_frame(Link& link, const wire::Frame& frame, const BufferRef& buffer) = 0;
    // The last word of a link that was not closed by its owner.
    virtual void link_lost(Link& link, const Error& why) = 0;

protected:
    ~LinkOwner() = default;
};

// Thread:   the client's I/O thread.
// Lifetime: shared with its own pending handlers; silent once closed. The owner must outlive it or
// close it.
class Link : public std::enable_shared_from_this<Link> {
public:
    struct Settings {
        std::string client_id;
        std::chrono::milliseconds connect_timeout;
    };

    Link(Timers& timers, LinkOwner& owner, std::shared_ptr<ReceiveBufferPool> buffers,
         Endpoint endpoint, Settings settings);

    // Begins; link_opened or link_lost follows.
    void start();
    // Ends without a word to the owner. What was not written is forgotten.
    void close();

    // Puts a frame behind those that wait to be written. The vector form takes the frame; the span
    // form borrows it and keeps `mark` up to date.
    void send(std::vector<std::byte> frame);
    void send(std::span<const std::byte> frame, WriteMark& mark);
    // Room for a small frame, to be filled in at once: many of them leave in one piece. Only while
    // it is not closed.
    [[nodiscard]] std::span<std::byte> room(std::size_t bytes);
    // Writes as much as the socket takes; the rest goes when it takes more. Then asks it for what
    // has come. Called once per round of the loop, so that frames of one round leave in one system
    // call, and the answers to what was read before more is read. True: something may have come of
    // that, which the context knows.
    bool flush();
    // The same without a word to the owner, also when the connection turns out to be broken: then
    // false, and the next flush() finds out.
    [[nodiscard]] bool try_flush();

    // Whether it ever got as far as an answered hello.
    [[nodiscard]] bool was_open() const noexcept { return was_open_; }
    [[nodiscard]] bool is_open() const noexcept { return phase_ == Phase::open; }
    [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
    [[nodiscard]] const wire::fb::HelloReplyT& broker() const noexcept { return broker_; }
    // For those who watch the socket from outside the context.
    [[nodiscard]] int descriptor() { return socket_.native_handle(); }
    [[nodiscard]] bool waits_to_write() const noexcept { return waiting_writable_; }
    // Then the socket is watched for bells and the end only.
    [[nodiscard]] bool uses_rings() const noexcept { return rings_ != nullptr; }

    // ---- shared memory (link_rings.cpp); all of it does nothing without ----
    [[nodiscard]] bool has_bytes() { return rings_ && rings_->has_bytes(); }
    // Takes what has come and goes on writing where there is room. False: there was neither.
    bool serve_rings();
    // Asks the broker to ring when there is something to serve, which the context then hears.
    // False: there is, already, and it has not been asked.
    [[nodiscard]] bool arm_rings();
    void disarm_rings();
    // Bytes that wait to be written: what a sender looks at to keep the queue short.
    [[nodiscard]] std::size_t unwritten_bytes() const noexcept { return unwritten_bytes_; }

private:
    enum class Phase { fresh, connecting, hello, moving, open, closed };

    struct Outgoing {
        std::vector<std::byte> owned;
        std::span<const std::byte> rest;
        WriteMark* mark = nullptr;
        bool is_slab = false;  // `owned` has room for more frames behind `rest`
    };
    static constexpr std::size_t kSlabBytes = 64_KiB;

    using Generic = asio::generic::stream_protocol;
    void connect_in_process();
    void connect_next();
    void connected();
    void send_hello();
    void hello_answered(const wire::Frame& frame);
    void open_up();
    void begin_heartbeat();
    void heartbeat();

    void read();
    void received(std::size_t bytes);
    [[nodiscard]] Result<bool> take_frame();
    void make_room();
    void dispatch(const wire::Frame& frame);

    void ask_for_rings();
    void read_with_descriptor();
    void rings_answered(const wire::Frame& frame);
    void listen_for_bell();
    [[nodiscard]] bool read_from_rings();
    [[nodiscard]] Result<std::size_t> write_to_rings();

    // Fails with connection_error, ring_corrupt.
    [[nodiscard]] Result<void> write_out();
    // 0: it takes nothing more for now.
    [[nodiscard]] Result<std::size_t> write_to_socket();
    void wait_writable();
    void written(std::size_t bytes);
    void forget_outgoing();
    void lose(Error why);
    [[nodiscard]] Error network_error(const char* what,
                                      const boost::system::error_code& error) const;

    // Fixed after construction.
    LinkOwner& owner_;
    const std::shared_ptr<ReceiveBufferPool> buffers_;
    const Endpoint endpoint_;
    const Settings settings_;

    Phase phase_ = Phase::fresh;
    bool was_open_ = false;
    asio::ip::tcp::resolver resolver_;
    Generic::socket socket_;
    Timer timer_;  // the attempt's end, later the heartbeat
    std::vector<Generic::endpoint> addresses_;
    std::size_t next_address_ = 0;
    wire::fb::HelloReplyT broker_;

    // Reading: [begin_, end_) of the buffer is received and not yet handed on.
    BufferRef buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t frame_bytes_max_ = wire::kFrameBytesMax;
    bool read_is_due_ = false;

    // Through shared memory: the rings, from the broker's answer on; the socket is the bell then.
    ring::RingLinkPtr rings_;
    ring::FileDescriptor passed_;  // by the broker, with its answer
    std::array<std::byte, 64> bells_;
    std::optional<Error> broker_gone_;  // what it had written before it went still counts

    // Writing.
    std::deque<Outgoing> outgoing_;
    std::vector<std::byte> spare_slab_;
    std::size_t unwritten_bytes_ = 0;
    bool waiting_writable_ = false;

    // Heartbeat.
    std::chrono::milliseconds heartbeat_half_{};
    std::chrono::milliseconds idle_timeout_{};
    std::chrono::steady_clock::time_point last_received_{};
    bool received_since_beat_ = false;
    bool sent_since_beat_ = false;
};

}  // namespace casc::client
