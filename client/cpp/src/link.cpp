#include "link.hpp"

#include "calls.hpp"

#include <casc/ring/in_process.hpp>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>

#include <cstring>

namespace casc::client {
namespace {

constexpr std::uint32_t kHelloId = 1;
constexpr std::uint32_t kPingId = 0;  // no request has it; the answer is only a sign of life
constexpr std::size_t kGatherMax = 64;
constexpr std::chrono::milliseconds kDefaultHeartbeat{10'000};
constexpr std::chrono::milliseconds kDefaultIdleTimeout{30'000};

}  // namespace

Error Link::network_error(const char* what, const boost::system::error_code& error) const {
    return Error(ErrorCode::connection_error,
                 endpoint_.text + ": " + what + ": " + error.message());
}

Link::Link(Timers& timers, LinkOwner& owner, std::shared_ptr<ReceiveBufferPool> buffers,
           Endpoint endpoint, Settings settings)
    : owner_(owner),
      buffers_(std::move(buffers)),
      endpoint_(std::move(endpoint)),
      settings_(std::move(settings)),
      resolver_(timers.context()),
      socket_(timers.context()),
      timer_(timers) {}

// ---- opening ------------------------------------------------------------------------------------

void Link::start() {
    phase_ = Phase::connecting;
    timer_.set_after(settings_.connect_timeout, [self = shared_from_this()](
                                                    const boost::system::error_code& error) {
        if (error || self->phase_ == Phase::open || self->phase_ == Phase::closed) return;
        self->lose(Error(ErrorCode::timeout,
                         self->endpoint_.text + ": no connection within the connect timeout"));
    });
    if (endpoint_.kind == Endpoint::Kind::in_process) return connect_in_process();
    if (endpoint_.kind != Endpoint::Kind::tcp) {
        addresses_.emplace_back(asio::local::stream_protocol::endpoint(endpoint_.path));
        connect_next();
        return;
    }
    boost::system::error_code not_numeric;
    const auto address = asio::ip::make_address(endpoint_.host, not_numeric);
    if (!not_numeric) {  // spares the resolver's thread
        const auto port = static_cast<std::uint16_t>(std::stoul(endpoint_.port));
        addresses_.emplace_back(asio::ip::tcp::endpoint(address, port));
        connect_next();
        return;
    }
    resolver_.async_resolve(
        endpoint_.host, endpoint_.port,
        [self = shared_from_this()](const boost::system::error_code& error, const auto& found) {
            if (self->phase_ != Phase::connecting) return;
            if (error) return self->lose(self->network_error("resolve", error));
            for (const auto& entry : found)
                self->addresses_.emplace_back(entry.endpoint());
            self->connect_next();
        });
}

void Link::connect_in_process() {
    auto socket = ring::InProcessListener::connect(endpoint_.path);
    boost::system::error_code error;
    if (socket) socket_.assign(Generic(AF_UNIX, 0), socket->get(), error);
    if (socket && !error) static_cast<void>(socket->release());
    // Not from inside start(): its caller does not expect to hear of the end yet.
    asio::post(socket_.get_executor(), [self = shared_from_this(), error,
                                        why = socket ? Error(ErrorCode::ok) : socket.error()] {
        if (self->phase_ != Phase::connecting) return;
        if (why.code != ErrorCode::ok) return self->lose(why);
        if (error) return self->lose(self->network_error("connect", error));
        self->connected();
    });
}

void Link::connect_next() {
    const auto& address = addresses_[next_address_++];
    socket_.async_connect(address,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                              if (self->phase_ != Phase::connecting) return;
                              if (!error) return self->connected();
                              if (self->next_address_ == self->addresses_.size())
                                  return self->lose(self->network_error("connect", error));
                              boost::system::error_code ignored;
                              self->socket_.close(ignored);
                              self->connect_next();
                          });
}

void Link::connected() {
    boost::system::error_code error;
    // Frames are gathered by flush(); waiting for more would only add latency. Unix sockets have no
    // such option.
    if (endpoint_.kind == Endpoint::Kind::tcp)
        socket_.set_option(asio::ip::tcp::no_delay(true), error);
    socket_.non_blocking(true, error);
    if (error) return lose(network_error("set up", error));
    phase_ = Phase::hello;
    send_hello();
    read();
}

void Link::send_hello() {
    wire::fb::HelloT hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    hello.client_id = settings_.client_id;
    hello.software = "casc-cpp/0.1.0";
    if (endpoint_.wants_rings()) hello.features = wire::kFeatureSharedMemory;
    wire::Encoder encoder;
    const auto body = encoder.encode(hello);
    std::vector<std::byte> frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, wire::FrameKind::request, wire::Api::hello, kHelloId, body, 0);
    send(std::move(frame));
    flush();
}

void Link::hello_answered(const wire::Frame& frame) {
    if (frame.header.kind == wire::FrameKind::error) {
        return lose(error_of(frame));
    }
    if (frame.header.kind != wire::FrameKind::response || frame.header.correlation_id != kHelloId)
        return lose(Error(ErrorCode::malformed_message,
                          "the broker's first frame does not answer the hello"));
    auto reply = wire::decode<wire::fb::HelloReply>(frame.body);
    if (!reply) return lose(reply.error());
    if (reply->version != wire::kProtocolVersion)
        return lose(Error(ErrorCode::unsupported_version,
                          "the broker chose version " + std::to_string(reply->version)));
    broker_ = std::move(*reply);
    if (endpoint_.wants_rings()) return ask_for_rings();
    open_up();
}

void Link::open_up() {
    phase_ = Phase::open;
    was_open_ = true;
    begin_heartbeat();
    owner_.link_opened(*this);
}

// ---- staying alive ------------------------------------------------------------------------------

void Link::begin_heartbeat() {
    const auto or_default = [](std::uint32_t ms, std::chrono::milliseconds fallback) {
        return ms == 0 ? fallback : std::chrono::milliseconds(ms);
    };
    heartbeat_half_ = std::max(or_default(broker_.heartbeat_ms, kDefaultHeartbeat) / 2,
                               std::chrono::milliseconds(1));
    idle_timeout_ = or_default(broker_.idle_timeout_ms, kDefaultIdleTimeout);
    last_received_ = std::chrono::steady_clock::now();
    heartbeat();
}

void Link::heartbeat() {
    timer_.set_after(heartbeat_half_, [self = shared_from_this()](
                                          const boost::system::error_code& error) {
        if (error || self->phase_ != Phase::open) return;
        const auto now = std::chrono::steady_clock::now();
        if (self->received_since_beat_) self->last_received_ = now;
        if (now - self->last_received_ > self->idle_timeout_)
            return self->lose(Error(ErrorCode::connection_error,
                                    self->endpoint_.text + ": the broker is silent"));
        // Also when only one direction is busy: one-way produces are never answered, a ping is.
        if (!self->sent_since_beat_ || !self->received_since_beat_) {
            std::vector<std::byte> frame(wire::framed_bytes(0));
            wire::Encoder encoder;
            const auto body = encoder.encode(wire::fb::PingT{});
            frame.resize(wire::framed_bytes(body.size()));
            wire::write_frame(frame, wire::FrameKind::request, wire::Api::ping, kPingId, body, 0);
            self->send(std::move(frame));
            self->flush();
            if (self->phase_ != Phase::open) return;
        }
        self->sent_since_beat_ = self->received_since_beat_ = false;
        self->heartbeat();
    });
}

// ---- reading ------------------------------------------------------------------------------------

void Link::read() {
    if (rings_) return;  // serve_rings() looks by itself
    if (phase_ == Phase::moving) return read_with_descriptor();
    make_room();
    const auto room = buffer_->bytes().subspan(end_);
    // The handler holds the buffer too: after close() the kernel may still be about to be asked.
    socket_.async_read_some(asio::buffer(room.data(), room.size()),
                            [self = shared_from_this(), held = buffer_](
                                const boost::system::error_code& error, std::size_t bytes) {
                                if (self->phase_ == Phase::closed) return;
                                if (error) return self->lose(self->network_error("read", error));
                                self->received(bytes);
                            });
}

void Link::received(std::size_t bytes) {
    end_ += bytes;
    received_since_beat_ = true;
    // Bounded by what one read brought.
    while (phase_ != Phase::closed) {
        const auto taken = take_frame();
        if (!taken) return lose(taken.error());
        if (!*taken) break;
    }
    if (phase_ == Phase::open) {
        read_is_due_ = true;  // by flush()
    } else if (phase_ != Phase::closed) {
        read();
    }
}

Result<bool> Link::take_frame() {
    const auto bytes = std::span<const std::byte>(buffer_->bytes()).subspan(begin_, end_ - begin_);
    CASC_TRY(const auto header, wire::peek_frame(bytes, frame_bytes_max_));
    if (!header || header->frame_bytes > bytes.size()) return false;
    CASC_TRY(const wire::Frame frame, wire::open_frame(bytes.first(header->frame_bytes)));
    begin_ += header->frame_bytes;
    dispatch(frame);
    return true;
}

void Link::dispatch(const wire::Frame& frame) {
    if (phase_ == Phase::hello) return hello_answered(frame);
    if (phase_ == Phase::moving) return rings_answered(frame);
    if (frame.header.api == wire::Api::ping && frame.header.correlation_id == kPingId) return;
    owner_.link_frame(*this, frame, buffer_);
}

// Sees to it that the frame which has begun fits behind begin_, and that a read is worth its system
// call.
void Link::make_room() {
    constexpr std::size_t kReadBytesMin = 256_KiB;
    if (!buffer_) buffer_ = buffers_->take();
    const std::size_t begun = end_ - begin_;
    std::size_t wanted = begun + kReadBytesMin;
    if (begun >= sizeof(std::uint32_t)) {
        std::uint32_t frame_bytes =
            0;  // checked by peek_frame when the header was whole; bounded here in any case
        std::memcpy(&frame_bytes, buffer_->bytes().data() + begin_, sizeof frame_bytes);
        wanted =
            std::max<std::size_t>(begun + 1, std::min<std::size_t>(frame_bytes, frame_bytes_max_));
    }
    if (begin_ + wanted <= buffer_->bytes().size()) return;
    BufferRef fresh = buffers_->take(wanted);
    std::memcpy(fresh->bytes().data(), buffer_->bytes().data() + begin_, begun);
    buffer_ = std::move(fresh);
    begin_ = 0;
    end_ = begun;
}

// ---- writing ------------------------------------------------------------------------------------

void Link::send(std::vector<std::byte> frame) {
    if (phase_ == Phase::closed) return;
    const std::span<const std::byte> bytes(frame);
    unwritten_bytes_ += bytes.size();
    outgoing_.push_back({std::move(frame), bytes, nullptr,
                         false});  // moving a vector leaves its bytes where they are
}

void Link::send(std::span<const std::byte> frame, WriteMark& mark) {
    mark.lost = phase_ == Phase::closed;
    if (mark.lost) return;
    ++mark.pending;
    unwritten_bytes_ += frame.size();
    outgoing_.push_back({{}, frame, &mark, false});
}

std::span<std::byte> Link::room(std::size_t bytes) {
    unwritten_bytes_ += bytes;
    if (!outgoing_.empty() && outgoing_.back().is_slab) {
        Outgoing& last = outgoing_.back();
        std::byte* const end = last.owned.data() + last.owned.size();
        std::byte* const at = const_cast<std::byte*>(last.rest.data()) + last.rest.size();
        if (static_cast<std::size_t>(end - at) >= bytes) {
            last.rest = {last.rest.data(), last.rest.size() + bytes};
            return {at, bytes};
        }
    }
    std::vector<std::byte> slab = std::move(spare_slab_);
    if (slab.size() < bytes) slab.resize(std::max(bytes, kSlabBytes));
    std::byte* const at = slab.data();
    outgoing_.push_back({std::move(slab), {at, bytes}, nullptr, true});
    return {at, bytes};
}

bool Link::flush() {
    if (const auto written = write_out(); !written) {
        lose(written.error());
        return true;
    }
    if (!std::exchange(read_is_due_, false) || phase_ == Phase::closed) return false;
    read();
    return !uses_rings();
}

bool Link::try_flush() {
    return write_out().has_value();
}

Result<void> Link::write_out() {
    if (waiting_writable_ || phase_ == Phase::closed || phase_ == Phase::connecting) return {};
    while (!outgoing_.empty()) {
        CASC_TRY(const std::size_t bytes, rings_ ? write_to_rings() : write_to_socket());
        if (bytes == 0) {
            wait_writable();
            return {};
        }
        written(bytes);
    }
    return {};
}

Result<std::size_t> Link::write_to_socket() {
    std::array<asio::const_buffer, kGatherMax> buffers;
    std::size_t count = 0;
    for (const Outgoing& out : outgoing_) {
        buffers[count++] = asio::const_buffer(out.rest.data(), out.rest.size());
        if (count == kGatherMax) break;
    }
    boost::system::error_code error;
    const std::size_t bytes =
        socket_.write_some(std::span<const asio::const_buffer>(buffers.data(), count), error);
    if (error == asio::error::would_block) return 0;
    if (error) return network_error("write", error);
    return bytes;
}

void Link::wait_writable() {
    waiting_writable_ = true;
    if (rings_) return;  // serve_rings() goes on
    socket_.async_wait(asio::socket_base::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& e) {
                           self->waiting_writable_ = false;
                           if (self->phase_ == Phase::closed) return;
                           if (e) return self->lose(self->network_error("write", e));
                           self->flush();
                       });
}

void Link::written(std::size_t bytes) {
    sent_since_beat_ = true;
    unwritten_bytes_ -= bytes;
    while (bytes != 0) {
        Outgoing& out = outgoing_.front();
        const std::size_t part = std::min(bytes, out.rest.size());
        out.rest = out.rest.subspan(part);
        bytes -= part;
        if (!out.rest.empty()) return;
        if (out.mark != nullptr) --out.mark->pending;
        if (out.is_slab && out.owned.size() == kSlabBytes) spare_slab_ = std::move(out.owned);
        outgoing_.pop_front();
    }
}

void Link::forget_outgoing() {
    for (const Outgoing& out : outgoing_) {
        if (out.mark == nullptr) continue;
        --out.mark->pending;
        out.mark->lost = true;
    }
    outgoing_.clear();
    unwritten_bytes_ = 0;
}

// ---- the end ------------------------------------------------------------------------------------

void Link::close() {
    if (phase_ == Phase::closed) return;
    phase_ = Phase::closed;
    forget_outgoing();
    boost::system::error_code ignored;
    resolver_.cancel();
    timer_.cancel();
    socket_.close(ignored);
    rings_.reset();
}

void Link::lose(Error why) {
    if (phase_ == Phase::closed) return;
    const auto self = shared_from_this();  // the owner may drop us
    close();
    owner_.link_lost(*this, why);
}

}  // namespace casc::client
