// The part of Core that looks after the connection: which endpoint, when again, and who is told.
#include "core.hpp"

namespace casc::client {

std::shared_ptr<Link> Core::make_link(std::size_t endpoint) {
    return std::make_shared<Link>(timers_, *this, buffers_, endpoints_[endpoint],
                                  Link::Settings{options_.client_id, options_.connect_timeout});
}

void Core::connect_now() {
    link_ = make_link(endpoint_);
    if (!last_endpoint_.empty()) report(ConnectionEvent::reconnecting, endpoints_[endpoint_]);
    link_->start();
}

// Once round the list without a pause, beginning where we were; then a pause, and again from the
// primary.
void Core::connect_later(bool refused) {
    if (refused && ++refused_ < endpoints_.size()) {
        endpoint_ = (endpoint_ + 1) % endpoints_.size();
        return connect_now();
    }
    if (refused) endpoint_ = 0;
    refused_ = 0;
    // Also after the loss of a good connection: clients that lose their broker together must not
    // come back together.
    reconnect_timer_.set_after(backoff_.next(), [this](const boost::system::error_code& error) {
        if (!error && !stopping_) connect_now();
    });
}

void Core::link_opened(Link& link) {
    if (probe_.get() == &link) {
        // The primary is back: its link takes over.
        auto primary = std::exchange(probe_, nullptr);
        drop_link(Error(ErrorCode::connection_closed, "moved back to " + endpoints_.front().text));
        endpoint_ = 0;
        return adopt(std::move(primary));
    }
    adopt(link_);
}

void Core::adopt(std::shared_ptr<Link> link) {
    link_ = std::move(link);
    backoff_.reset();
    refused_ = 0;
    const Endpoint& endpoint = endpoints_[endpoint_];
    const bool moved = !last_endpoint_.empty() && last_endpoint_ != endpoint.text;
    last_endpoint_ = endpoint.text;
    {
        const std::lock_guard lock(broker_mutex_);
        broker_ = link_->broker();
    }
    report(moved ? ConnectionEvent::failed_over : ConnectionEvent::connected, endpoint);
    settle_start({});
    for (std::size_t i = 0; i < participants_.size(); ++i)
        participants_[i]->connected();
    send_unsent();
    if (endpoint_ != 0) probe_primary_later();
}

void Core::link_frame(Link& link, const wire::Frame& frame, const BufferRef& buffer) {
    if (&link != link_.get()) return;
    switch (frame.header.kind) {
        case wire::FrameKind::response:
        case wire::FrameKind::error:
            if (frame.header.correlation_id >= kOwnNumbers) {
                for (std::size_t i = 0; i < participants_.size(); ++i)
                    if (participants_[i]->answered(frame)) return;
                return;
            }
            // Nobody waits: it came after its deadline.
            static_cast<void>(calls_.answer(frame));
            return;
        case wire::FrameKind::push:
            for (std::size_t i = 0; i < participants_.size(); ++i)
                if (participants_[i]->pushed(frame, buffer)) return;
            return;  // for a subscription that has just ended
        default:
            give_up_link(
                Error(ErrorCode::malformed_message, "the broker sent a frame of a client's kind"));
    }
}

void Core::link_lost(Link& link, const Error& why) {
    if (probe_.get() == &link) {
        probe_.reset();
        return probe_primary_later();
    }
    drop_link(why);
    if (link.was_open()) report(ConnectionEvent::lost, link.endpoint(), &why);
    if (!start_settled_) {
        const bool round_over = refused_ + 1 == endpoints_.size();
        const bool late = std::chrono::steady_clock::now() >= start_deadline_;
        if (late || (round_over && !options_.wait_for_broker)) return settle_start(why);
    }
    connect_later(!link.was_open());
}

void Core::give_up_link(const Error& why) {
    if (!link_) return;
    const auto link = link_;
    link->close();
    link_lost(*link, why);
}

void Core::drop_link(const Error& why) {
    if (!link_) return;
    link_->close();
    link_.reset();
    watch_.socket = watch_.writable =
        false;  // whatever socket the I/O thread watches, it is not the next one's
    probe_timer_.cancel();
    if (probe_) std::exchange(probe_, nullptr)->close();
    calls_.fail_all(Error(ErrorCode::connection_closed, why.message()));
    for (std::size_t i = 0; i < participants_.size(); ++i)
        participants_[i]->disconnected(why);
}

void Core::probe_primary_later() {
    probe_timer_.set_after(options_.backoff_max, [this](const boost::system::error_code& error) {
        if (error || stopping_ || link() == nullptr || endpoint_ == 0 || probe_) return;
        probe_ = make_link(0);
        probe_->start();
    });
}

void Core::settle_start(Result<void> outcome) {
    if (std::exchange(start_settled_, true)) return;
    started_.set_value(std::move(outcome));
}

void Core::report(ConnectionEvent event, const Endpoint& endpoint, const Error* why) {
    if (options_.on_connection) options_.on_connection(event, endpoint.text, why);
}

}  // namespace casc::client
