#include "session.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>

namespace casc::broker {

namespace asio = boost::asio;

namespace {

// A piece of a batch may lie in a block that is far larger: a copy does not hold on to it.
constexpr std::size_t kCopiedBytesMax = 4_KiB;

}  // namespace

Session::Session(Socket socket, SessionHost& host, std::uint64_t number, std::string address,
                 std::size_t frame_bytes_max)
    : host_(host),
      socket_(std::move(socket)),
      number_(number),
      address_(std::move(address)),
      frame_bytes_max_(frame_bytes_max),
      last_active_(mono_now()) {
    boost::system::error_code
        ignored;  // a socket that cannot do it cannot be written to either, and is closed then
    socket_.non_blocking(true, ignored);
}

void Session::start() {
    read();
}

void Session::read() {
    if (reading_ || state_ != State::open) return;
    if (congested() || held_ || !host_.may_read(*this)) return;  // resume_reading() comes back here
    reading_ = true;
    if (rings_) return host_.on_waiting_for_rings(*this);
    const auto space = received_.space(frame_in_front_);
    socket_.async_read_some(
        asio::buffer(space.data(), space.size()),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
            self->reading_ = false;
            self->on_read(error, bytes);
        });
}

void Session::resume_reading() {
    // What had to wait in the buffer comes first.
    if (!reading_ && state_ == State::open) serve();
}

void Session::on_read(const boost::system::error_code& error, std::size_t bytes) {
    if (state_ == State::closed) return;
    if (error) return close(/*now=*/true);
    received_.filled(bytes);
    bytes_in_ += bytes;
    last_active_ = mono_now();
    serve();
}

void Session::serve() {
    try {
        if (take_frames() && !host_.reads_later(*this)) read();
    } catch (const std::exception& e) {
        // Out of memory, most likely. It costs this connection and no other.
        log_event(LogLevel::error, "connection_failed",
                  {{"peer", address_}, {"client", client_id}, {"why", e.what()}});
        close(/*now=*/true);
    }
}

bool Session::take_frames() {
    // A client that asks and does not read its answers is not listened to: each small request can
    // have a large answer.
    while (!congested() && !held_) {
        const auto received = received_.received();
        const auto header = wire::peek_frame(received, frame_bytes_max_);
        if (!header) {
            fail(header.error());
            return false;
        }
        frame_in_front_ = *header ? (*header)->frame_bytes : 0;
        if (!*header || received.size() < frame_in_front_) return true;

        const auto frame = wire::open_frame(received.first(frame_in_front_));
        if (!frame) {
            fail(frame.error());
            return false;
        }
        host_.on_frame(*this, *frame);
        if (state_ != State::open) return false;
        received_.consume(frame_in_front_);
        frame_in_front_ = 0;
    }
    return false;
}

void Session::log_nonsense(const Error& error) const {
    log_event(
        LogLevel::warn, error.code == ErrorCode::ring_corrupt ? "bad_rings" : "bad_frame",
        {{"peer", address_}, {"client", client_id}, {"error", error.code}, {"why", error.detail}});
}

void Session::fail(const Error& error) {
    log_nonsense(error);
    // The peer may not speak casc at all; one error frame tells those who do why the connection
    // ends.
    send_error(wire::Api{}, 0, error);
    close();
}

void Session::send(wire::FrameKind kind, wire::Api api, std::uint32_t correlation_id,
                   std::span<const std::byte> body,
                   std::span<const storage::BatchRef> attachments) {
    if (state_ != State::open) return;
    std::size_t attachment_bytes = 0;
    for (const auto& batch : attachments)
        attachment_bytes += batch.bytes.size();
    wire::write_frame(queue_.reserve(wire::framed_bytes(body.size())), kind, api, correlation_id,
                      body, attachment_bytes);
    for (const auto& batch : attachments) {
        if (batch.bytes.size() > kCopiedBytesMax) {
            queue_.push(batch);
        } else {
            std::ranges::copy(batch.bytes, queue_.reserve(batch.bytes.size()).begin());
        }
    }
    announce_output(kind);
}

std::span<std::byte> Session::send_room(wire::FrameKind kind, wire::Api api,
                                        std::uint32_t correlation_id,
                                        std::span<const std::byte> body,
                                        std::size_t attachment_bytes) {
    if (state_ != State::open) return {};
    const std::size_t framed = wire::framed_bytes(body.size());
    const auto room = queue_.reserve(framed + attachment_bytes);
    wire::write_frame(room.first(framed), kind, api, correlation_id, body, attachment_bytes);
    announce_output(kind);
    return room.subspan(framed);
}

void Session::announce_output(wire::FrameKind kind) {
    // Noted here and not after the next write, which may take everything at once: whoever was held
    // back meanwhile is resumed by flush().
    if (queue_.bytes() > kQueuedBytesHigh) was_congested_ = true;
    if (std::exchange(output_announced_, true)) return;
    host_.on_pending_output(*this, kind == wire::FrameKind::push);
}

void Session::send_error(wire::Api api, std::uint32_t correlation_id, const Error& error) {
    if (Produced::is_about(api)) produced.refuse(error, mono_now());
    const ErrorInfo info = error_info(error.code);
    wire::fb::ErrorReplyT reply;
    reply.code = static_cast<std::uint16_t>(error.code);
    reply.name = info.name;
    reply.message = error.detail.empty() ? std::string(info.sentence) : error.detail;
    reply.retryable = info.retryable;
    reply.retry_after_ms = error.retry_after_ms;
    reply.fallback_available = error.fallback_available;
    wire::Encoder encoder;
    send(wire::FrameKind::error, api, correlation_id, encoder.encode(reply));
}

void Session::flush() {
    output_announced_ = false;
    thread_local std::vector<asio::const_buffer>
        buffers;  // only used within this call; kept for its memory
    while (state_ != State::closed && !waiting_writable_ && !queue_.empty()) {
        queue_.gather(buffers);
        const auto bytes = rings_ ? write_to_rings(buffers) : write_some(buffers);
        if (!bytes) return close(/*now=*/true);
        if (*bytes == 0) {
            wait_writable();
            break;
        }
        queue_.sent(*bytes);
        bytes_out_ += *bytes;
        if (congested())
            last_active_ =
                mono_now();  // it is not read from, so taking its answers is the sign of life
    }
    if (state_ == State::draining && queue_.empty()) return finish();
    if (was_congested_ && queue_.bytes() < kQueuedBytesLow && state_ == State::open) {
        was_congested_ = false;
        host_.on_writable(*this);
        resume_reading();
    }
}

std::optional<std::size_t> Session::write_some(std::span<const asio::const_buffer> buffers) {
    boost::system::error_code error;
    const std::size_t bytes = socket_.write_some(buffers, error);
    if (error == asio::error::would_block) return 0;
    if (error) return std::nullopt;
    return bytes;
}

void Session::wait_writable() {
    waiting_writable_ = true;
    if (rings_) return host_.on_waiting_for_rings(*this);
    socket_.async_wait(Socket::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           self->waiting_writable_ = false;
                           if (error || self->state_ == State::closed) return;
                           self->flush();
                       });
}

void Session::close(bool now) {
    if (state_ == State::closed) return;
    if (now || queue_.empty()) return finish();
    state_ = State::draining;
    if (!output_announced_) {
        output_announced_ = true;
        host_.on_pending_output(*this, /*pushed=*/false);
    }
}

void Session::finish() {
    state_ = State::closed;
    const auto self = shared_from_this();  // the host may drop its reference
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_both, ignored);
    socket_.close(ignored);
    queue_.clear();
    host_.on_closed(*this);
    rings_.reset();
}

}  // namespace casc::broker
