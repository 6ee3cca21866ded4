#include "consumer_port.hpp"

namespace casc::client {

ConsumerPort::ConsumerPort(std::shared_ptr<Core> core, std::uint32_t subscription,
                           std::string group, std::size_t credit_bytes,
                           ring::RingProducer<InboxItem> inbox)
    : InboxPort(std::move(core), subscription, std::move(inbox)),
      group_(std::move(group)),
      credit_bytes_(credit_bytes) {}

void ConsumerPort::grant(std::uint32_t connection, std::uint64_t bytes, std::uint64_t events) {
    core_->post([self = std::static_pointer_cast<ConsumerPort>(shared_from_this()), connection,
                 bytes, events] {
        if (self->connection() != connection) return;
        self->pushed_bytes_ -= std::min<std::size_t>(self->pushed_bytes_, bytes);
        wire::fb::CreditT credit;
        credit.subscription_id = self->subscription_;
        credit.bytes = bytes;
        credit.events = events;
        wire::Encoder encoder;
        self->core_->send_one_way(wire::Api::credit, encoder.encode(credit));
    });
}

void ConsumerPort::connected() {
    pushed_bytes_ = 0;
    InboxPort::connected();
}

bool ConsumerPort::pushed(const wire::Frame& frame, const BufferRef& buffer) {
    if (frame.header.api == wire::Api::deliver) return delivered(frame, buffer);
    if (frame.header.api == wire::Api::assignment) return assigned(frame);
    if (frame.header.api == wire::Api::topics_matched) return matched(frame);
    return false;
}

bool ConsumerPort::matched(const wire::Frame& frame) {
    auto push = wire::decode<wire::fb::TopicsMatched>(frame.body);
    if (!push) {
        core_->give_up_link(push.error());
        return true;
    }
    if (push->subscription_id != subscription_) return false;
    tell({.kind = Notice::Kind::matched,
          .connection = connection(),
          .matched = std::make_unique<wire::fb::TopicsMatchedT>(std::move(*push))});
    return true;
}

bool ConsumerPort::delivered(const wire::Frame& frame, const BufferRef& buffer) {
    const auto push = wire::view<wire::fb::Deliver>(frame.body);
    if (!push) {
        core_->give_up_link(push.error());
        return true;
    }
    if ((*push)->subscription_id() != subscription_) return false;
    const bool progress = frame.attachments.empty() && (*push)->error() == 0;
    pushed_bytes_ += progress ? wire::kProgressCreditBytes : frame.attachments.size();
    // A broker may overshoot by the delivery that used the credit up; one that does not heed credit
    // would fill memory.
    if (pushed_bytes_ > 2 * credit_bytes_ + wire::kFrameBytesMax) {
        core_->give_up_link(Error(ErrorCode::malformed_message,
                                  "the broker pushes more than it was given credit for"));
        return true;
    }
    if ((*push)->lane() >= kLaneCount) return true;
    InboxItem item;
    if (!frame.attachments.empty()) item.buffer = buffer;  // a buffer is much to keep for a number
    item.batches = frame.attachments;
    item.log = LogId(TopicId((*push)->topic_id()), PartitionId((*push)->partition()),
                     static_cast<Lane>((*push)->lane()));
    item.generation = (*push)->generation();
    item.error = static_cast<ErrorCode>((*push)->error());
    item.start = (*push)->start();
    item.skipped = (*push)->skipped();
    item.next = (*push)->next();
    item.progress = progress;
    if (!frame.attachments.empty()) item.matches = (*push)->matches();
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
    tell({.kind = Notice::Kind::assignment,
          .connection = connection(),
          .assignment = std::make_unique<wire::fb::AssignmentT>(std::move(*push))});
    return false;  // two members of one group may share this client; each looks for its own member
                   // id
}

}  // namespace casc::client
