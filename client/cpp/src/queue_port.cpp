#include "queue_port.hpp"

#include <casc/wire/messages.hpp>

#include <algorithm>

namespace casc::client {

QueuePort::QueuePort(std::shared_ptr<Core> core, std::uint32_t subscription,
                     std::size_t prefetch_bytes, ring::RingProducer<InboxItem> inbox)
    : InboxPort(std::move(core), subscription, std::move(inbox)),
      prefetch_bytes_(prefetch_bytes),
      renewal_(core_->timers()) {}

bool QueuePort::pushed(const wire::Frame& frame, const BufferRef& buffer) {
    if (frame.header.api != wire::Api::lease) return false;
    const auto lease = wire::view<wire::fb::Lease>(frame.body);
    if (!lease || (*lease)->lane() >= kLaneCount) {
        core_->give_up_link(lease ? Error(ErrorCode::malformed_message, "a lease without a lane")
                                  : lease.error());
        return true;
    }
    if ((*lease)->subscription_id() != subscription_) return false;
    if (leaving_) return true;
    pushed_ += frame.attachments.size();
    // A broker that does not heed the prefetch would fill memory. The last lease may overshoot it.
    if (pushed_ - taken_.load(std::memory_order_relaxed) >
        2 * prefetch_bytes_ + wire::kFrameBytesMax) {
        core_->give_up_link(Error(ErrorCode::malformed_message,
                                  "the broker leases more than this member has room for"));
        return true;
    }
    InboxItem item;
    item.buffer = buffer;
    item.batches = frame.attachments;
    item.log = LogId(TopicId((*lease)->topic_id()), PartitionId((*lease)->partition()),
                     static_cast<Lane>((*lease)->lane()));
    item.lease = *lease;
    item.start = (*lease)->first();
    put(std::move(item));
    return true;
}

void QueuePort::disconnected(const Error& why) {
    renewal_.cancel();
    leaving_ = false;
    InboxPort::disconnected(why);
}

void QueuePort::stop() {
    stopped_ = true;
    renewal_.cancel();
}

void QueuePort::shut_down() {
    stop();
    InboxPort::shut_down();
}

// ---- renewing -----------------------------------------------------------------------------------

void QueuePort::joined(milliseconds lease) {
    constexpr milliseconds shortest{30};
    lease_ = std::max(lease, shortest);
    lapsed_at_.reset();
    renew_later();
}

void QueuePort::renew_later() {
    if (stopped_) return;
    // One of them may be late, or two.
    renewal_.set_after(lease_ / 3,
                       [weak = weak_from_this()](const boost::system::error_code& cancelled) {
                           const auto self = weak.lock();
                           if (cancelled || !self) return;
                           auto& port = static_cast<QueuePort&>(*self);
                           port.renew();
                           if (!port.leaving_) port.renew_later();
                       });
}

void QueuePort::renew() {
    const bool has_some = held_.load(std::memory_order_relaxed) != 0 ||
                          pushed_ != taken_.load(std::memory_order_relaxed);
    if (!has_some) lapsed_at_.reset();
    if (!has_some || core_->link() == nullptr) return;
    const auto now = std::chrono::steady_clock::now();
    if (now >= alive_until_.load(std::memory_order_relaxed)) {
        if (!lapsed_at_) lapsed_at_ = now;
        if (now - *lapsed_at_ >= lease_) leave();
        return;
    }
    lapsed_at_.reset();
    wire::fb::SettleT request;
    request.subscription_id = subscription_;
    request.renew_all = true;
    wire::Encoder encoder;
    core_->send_now(wire::Api::settle, encoder.encode(request), [](const Result<Reply>&) {});
}

void QueuePort::leave() {
    leaving_ = true;
    wire::fb::LeaveQueueT request;
    request.subscription_id = subscription_;
    wire::Encoder encoder;
    core_->send_now(
        wire::Api::leave_queue, encoder.encode(request),
        [self = std::static_pointer_cast<QueuePort>(shared_from_this()),
         of_connection = connection()](const Result<Reply>&) {
            if (self->connection() != of_connection || self->core_->link() == nullptr) return;
            self->leaving_ = false;
            self->tell({.kind = Notice::Kind::left,
                        .connection = of_connection,
                        .why = Error(ErrorCode::lease_lost,
                                     "the program neither polled nor settled for hold_max")});
        });
}

}  // namespace casc::client
