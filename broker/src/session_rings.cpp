// A session whose bytes go through shared memory. Everything behind the bytes is the same.

#include "session.hpp"

#include <casc/ring/descriptor_passing.hpp>
#include <casc/types/clock.hpp>

namespace casc::broker {

namespace asio = boost::asio;

bool Session::can_pass_descriptors() {
    boost::system::error_code error;
    const auto local = socket_.local_endpoint(error);
    return !error && local.protocol().family() == AF_UNIX;
}

Result<void> Session::move_to_rings(ring::RingLinkPtr rings, std::span<const std::byte> answer) {
    // The answer is the last frame on the socket, and the request was the last from there.
    flush();
    if (state_ != State::open) return {};
    if (received_.received().size() != frame_in_front_ || !queue_.empty())
        return Error(ErrorCode::invalid_request,
                     "nothing may be sent behind this request, nor answers wait to be read");
    if (!ring::send_with_descriptor(socket_.native_handle(), answer, rings->memory().fd())) {
        close(/*now=*/true);
        return {};
    }
    bytes_out_ += answer.size();
    rings->memory().close_file();
    rings_ = std::move(rings);
    listen_for_bell();
    return {};
}

void Session::listen_for_bell() {
    socket_.async_read_some(
        asio::buffer(bells_),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
            if (self->state_ == State::closed) return;
            if (error) return self->on_peer_gone();
            self->host_.on_waiting_for_rings(*self);
            self->serve_rings();
            if (self->state_ != State::closed) self->listen_for_bell();
        });
}

// What it had written before it went counts, as with a socket; what waits for it does not.
void Session::on_peer_gone() {
    if (state_ != State::open || congested()) return close(/*now=*/true);
    peer_gone_ = true;
    last_bytes_max_ = rings_->memory_bytes();
    queue_.clear();
    waiting_writable_ = false;
    host_.on_waiting_for_rings(*this);
}

bool Session::serve_rings() {
    if (state_ == State::closed) return false;
    bool has_moved = reading_ && read_from_rings();
    if (state_ != State::closed && waiting_writable_ && rings_->has_room()) {
        waiting_writable_ = false;
        flush();
        has_moved = true;
    }
    if (peer_gone_ && state_ != State::closed && !has_moved && reading_) close(/*now=*/true);
    return has_moved;
}

// As much as there is room for, as a read from a socket would.
bool Session::read_from_rings() {
    if (!rings_->has_bytes()) return false;
    const auto bytes = rings_->read(received_.space(frame_in_front_));
    if (!bytes) {
        reading_ = false;
        fail(bytes.error());
        return true;
    }
    if (*bytes == 0) return false;
    if (peer_gone_) {
        if (*bytes > last_bytes_max_) {
            close(/*now=*/true);
            return true;
        }
        last_bytes_max_ -= *bytes;
    }
    reading_ = false;
    on_read({}, *bytes);
    return true;
}

std::optional<std::size_t> Session::write_to_rings(std::span<const asio::const_buffer> buffers) {
    std::size_t sum = 0;
    for (const asio::const_buffer& buffer : buffers) {
        const std::span bytes(static_cast<const std::byte*>(buffer.data()), buffer.size());
        // Nobody reads any more.
        const auto put = peer_gone_ ? Result<std::size_t>(bytes.size()) : rings_->put(bytes);
        if (!put) {
            log_nonsense(put.error());
            return std::nullopt;
        }
        sum += *put;
        if (*put != bytes.size()) break;
    }
    rings_->publish();
    return sum;
}

bool Session::arm_rings() {
    if (state_ == State::closed) return true;
    rings_->arm(reading_, waiting_writable_);
    return !(reading_ && rings_->has_bytes()) && !(waiting_writable_ && rings_->has_room()) &&
           !(peer_gone_ && reading_);
}

void Session::disarm_rings() {
    if (state_ != State::closed) rings_->disarm();
}

}  // namespace casc::broker
