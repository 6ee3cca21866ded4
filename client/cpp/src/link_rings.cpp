// A link whose bytes go through shared memory: from the broker's answer to OpenRings on, which has
// the descriptor of the memory attached, the socket only carries bells and says who is alive.
#include "calls.hpp"
#include "link.hpp"

#include <casc/ring/descriptor_passing.hpp>

#include <cerrno>

namespace casc::client {

namespace {

constexpr std::uint32_t kOpenRingsId = 2;

}  // namespace

// ---- opening ------------------------------------------------------------------------------------

void Link::ask_for_rings() {
    if ((broker_.features & wire::kFeatureSharedMemory) == 0)
        return lose(Error(ErrorCode::not_supported,
                          endpoint_.text +
                              ": the broker offers no shared memory there (unix:// is the same "
                              "socket without)"));
    phase_ = Phase::moving;
    wire::Encoder encoder;
    const auto body = encoder.encode(wire::fb::OpenRingsT{});
    std::vector<std::byte> frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, wire::FrameKind::request, wire::Api::open_rings, kOpenRingsId, body,
                      0);
    send(std::move(frame));
    flush();
}

// Asio's own reads would let a descriptor that comes with the bytes fall.
void Link::read_with_descriptor() {
    socket_.async_wait(asio::socket_base::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           if (self->phase_ != Phase::moving) return;
                           if (error) return self->lose(self->network_error("read", error));
                           self->make_room();
                           const ssize_t bytes = ring::receive_with_descriptor(
                               self->socket_.native_handle(),
                               self->buffer_->bytes().subspan(self->end_), self->passed_);
                           if (bytes > 0) return self->received(static_cast<std::size_t>(bytes));
                           if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
                               return self->read_with_descriptor();
                           self->lose(self->network_error(
                               "read", bytes == 0 ? make_error_code(asio::error::eof)
                                                  : boost::system::error_code(
                                                        errno, boost::system::system_category())));
                       });
}

void Link::rings_answered(const wire::Frame& frame) {
    if (frame.header.kind == wire::FrameKind::error) {
        Error error = error_of(frame);
        error.detail = endpoint_.text + ": " + error.detail;
        return lose(std::move(error));
    }
    if (frame.header.kind != wire::FrameKind::response ||
        frame.header.correlation_id != kOpenRingsId || begin_ != end_)
        return lose(Error(ErrorCode::malformed_message,
                          "the broker's last frame on the socket does not open the rings"));
    const auto reply = wire::decode<wire::fb::OpenRingsReply>(frame.body);
    if (!reply) return lose(reply.error());
    if (reply->layout != ring::RingHeader::kLayout)
        return lose(Error(ErrorCode::not_supported,
                          "the broker's rings have layout " + std::to_string(reply->layout)));
    auto rings =
        ring::RingLink::adopt(std::move(passed_), reply->ring_bytes, socket_.native_handle());
    if (!rings) return lose(rings.error());
    rings_ = *std::move(rings);
    rings_->memory().close_file();
    listen_for_bell();
    open_up();
}

// ---- bells --------------------------------------------------------------------------------------

void Link::listen_for_bell() {
    socket_.async_read_some(
        asio::buffer(bells_),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
            if (self->phase_ == Phase::closed) return;
            if (error) self->broker_gone_ = self->network_error("read", error);
            self->serve_rings();
            if (!error && self->phase_ != Phase::closed) self->listen_for_bell();
        });
}

bool Link::arm_rings() {
    if (!rings_) return true;
    rings_->arm(true, waiting_writable_);
    if (!rings_->has_bytes() && !(waiting_writable_ && rings_->has_room()) && !broker_gone_)
        return true;
    rings_->disarm();
    return false;
}

void Link::disarm_rings() {
    if (rings_) rings_->disarm();
}

// ---- bytes --------------------------------------------------------------------------------------

bool Link::serve_rings() {
    if (!rings_) return false;
    const auto self = shared_from_this();  // the owner may drop us
    bool has_moved = read_from_rings();
    if (rings_ && waiting_writable_ && rings_->has_room()) {
        waiting_writable_ = false;
        flush();
        has_moved = true;
    }
    // What the broker has said last, for instance why it closes, came first.
    if (!has_moved && broker_gone_) lose(*broker_gone_);
    return has_moved;
}

bool Link::read_from_rings() {
    if (!rings_->has_bytes()) return false;
    make_room();
    const auto bytes = rings_->read(buffer_->bytes().subspan(end_));
    if (!bytes) {
        lose(bytes.error());
        return true;
    }
    if (*bytes == 0) return false;
    received(*bytes);
    return true;
}

Result<std::size_t> Link::write_to_rings() {
    std::size_t sum = 0;
    for (const Outgoing& out : outgoing_) {
        CASC_TRY(const std::size_t bytes, rings_->put(out.rest));
        sum += bytes;
        if (bytes != out.rest.size()) break;
    }
    rings_->publish();
    return sum;
}

}  // namespace casc::client
