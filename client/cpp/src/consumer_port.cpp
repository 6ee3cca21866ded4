#include "consumer_port.hpp"

namespace casc::client {

ConsumerPort::ConsumerPort(std::shared_ptr<Core> core, std::uint32_t subscription,
                           std::string group, std::size_t credit_bytes,
                           ring::RingProducer<InboxItem> inbox)
    : core_(std::move(core)),
      subscription_(subscription),
      group_(std::move(group)),
      credit_bytes_(credit_bytes),
      inbox_(std::move(inbox)) {}

// ---- out ----------------------------------------------------------------------------------------

void ConsumerPort::send(std::uint32_t connection, wire::Api api, std::vector<std::byte> body,
                        std::function<void(ConsumerPort&, Result<Reply>)> done) {
    core_->post([self = shared_from_this(), connection, api, body = std::move(body),
                 done = std::move(done)] {
        if (self->connection_ != connection || self->core_->link() == nullptr) return;
        self->core_->send_now(api, body, [self, connection, done](Result<Reply> reply) {
            if (self->connection_ != connection) return;
            if (!reply && (reply.error().code == ErrorCode::connection_closed ||
                           reply.error().code == ErrorCode::cancelled))
                return;  // told by disconnected() and shut_down()
            if (done) return done(*self, std::move(reply));
            if (!reply)
                self->tell({Notice::Kind::failed, connection, nullptr, nullptr, reply.error()});
        });
    });
}

void ConsumerPort::grant(std::uint32_t connection, std::uint64_t bytes, std::uint64_t events) {
    core_->post([self = shared_from_this(), connection, bytes, events] {
        if (self->connection_ != connection) return;
        self->pushed_bytes_ -= std::min<std::size_t>(self->pushed_bytes_, bytes);
        wire::fb::CreditT credit;
        credit.subscription_id = self->subscription_;
        credit.bytes = bytes;
        credit.events = events;
        wire::Encoder encoder;
        self->core_->send_one_way(wire::Api::credit, encoder.encode(credit));
    });
}

// ---- in -----------------------------------------------------------------------------------------

void ConsumerPort::connected() {
    ++connection_;
    pushed_bytes_ = 0;
    tell({Notice::Kind::connected, connection_, nullptr, nullptr, {}});
}

void ConsumerPort::disconnected(const Error& why) {
    tell({Notice::Kind::disconnected, connection_, nullptr, nullptr, why});
}

void ConsumerPort::shut_down() {
    tell({Notice::Kind::closed, connection_, nullptr, nullptr,
          Error(ErrorCode::cancelled, "the client is closed")});
}

bool ConsumerPort::pushed(const wire::Frame& frame, const BufferRef& buffer) {
    if (frame.header.api == wire::Api::deliver) return delivered(frame, buffer);
    if (frame.header.api == wire::Api::assignment) return assigned(frame);
    return false;
}

bool ConsumerPort::delivered(const wire::Frame& frame, const BufferRef& buffer) {
    const auto push = wire::view<wire::fb::Deliver>(frame.body);
    if (!push) {
        core_->give_up_link(push.error());
        return true;
    }
    if ((*push)->subscription_id() != subscription_) return false;
    pushed_bytes_ += frame.attachments.size();
    // A broker may overshoot by the delivery that used the credit up; one that does not heed credit
    // would fill memory.
    if (pushed_bytes_ > 2 * credit_bytes_ + wire::kFrameBytesMax) {
        core_->give_up_link(Error(ErrorCode::malformed_message,
                                  "the broker pushes more than it was given credit for"));
        return true;
    }
    if ((*push)->lane() >= kLaneCount) return true;
    InboxItem item;
    item.buffer = buffer;
    item.batches = frame.attachments;
    item.log = LogId(TopicId((*push)->topic_id()), PartitionId((*push)->partition()),
                     static_cast<Lane>((*push)->lane()));
    item.generation = (*push)->generation();
    item.error = static_cast<ErrorCode>((*push)->error());
    item.start = (*push)->start();
    put(std::move(item));
    return true;
}

bool ConsumerPort::assigned(const wire::Frame& frame) {
    auto push = wire::decode<wire::fb::Assignment>(frame.body);
    if (!push) {
        core_->give_up_link(push.error());
        return true;
    }
    if (push->group != group_) return false;
    tell({Notice::Kind::assignment,
          connection_,
          std::make_unique<wire::fb::AssignmentT>(std::move(*push)),
          nullptr,
          {}});
    return false;  // two members of one group may share this client; each looks for its own member
                   // id
}

void ConsumerPort::tell(Notice notice) {
    InboxItem item;
    item.notice = std::make_unique<Notice>(std::move(notice));
    put(std::move(item));
}

void ConsumerPort::put(InboxItem item) {
    if (overflow_.empty() && inbox_.try_push(std::move(item))) return announce();
    overflow_.push_back(std::move(item));
}

bool ConsumerPort::drain() {
    // The consumer is slow; it grants no credit meanwhile, so this stays short. Each of its grants
    // wakes this loop.
    bool any = false;
    while (!overflow_.empty() && inbox_.try_push(std::move(overflow_.front()))) {
        overflow_.pop_front();
        any = true;
    }
    if (any) announce();
    return any;
}

// ---- readiness ----------------------------------------------------------------------------------

void ConsumerPort::when_ready(std::function<void()> done) {
    const std::lock_guard lock(mutex_);
    on_ready_ = std::move(done);
    wanted_.store(
        true, std::memory_order_seq_cst);  // pairs with announce(): one of the two sees the other
}

bool ConsumerPort::forget_ready() {
    const std::lock_guard lock(mutex_);
    wanted_.store(false, std::memory_order_seq_cst);
    return std::exchange(on_ready_, nullptr) != nullptr;
}

void ConsumerPort::announce() {
    if (!wanted_.load(std::memory_order_seq_cst)) return;
    std::function<void()> done;
    {
        const std::lock_guard lock(mutex_);
        wanted_.store(false, std::memory_order_seq_cst);
        done.swap(on_ready_);
    }
    if (done) done();
}

}  // namespace casc::client
