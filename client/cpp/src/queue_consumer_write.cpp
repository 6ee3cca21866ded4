// The part of the queue consumer that lets a transaction say that events are done.
#include "queue_consumer_impl.hpp"

#include <algorithm>

namespace casc::client {

Result<void> QueueConsumerImpl::withdraw(const EventId& event, Withdrawn& into) {
    if (into.events.empty()) into.membership = membership_;
    if (into.membership != membership_ || !held_.take(event)) return ErrorCode::lease_lost;
    into.events.push_back(event);
    ++withdrawn_;
    return {};
}

Result<void> QueueConsumerImpl::withdraw(const EventBatch& events, Withdrawn& into) {
    bool all = true;
    for (const ConsumedEvent& event : events)
        all = withdraw(event.id(), into).has_value() && all;
    if (!all) return ErrorCode::lease_lost;
    return {};
}

wire::fb::SettleT QueueConsumerImpl::settle_of(const Withdrawn& withdrawn) const {
    std::vector<EventId> events = withdrawn.events;
    std::sort(events.begin(), events.end());
    wire::fb::SettleT request;
    request.subscription_id = subscription_;
    LogId log;
    std::uint64_t end = 0;
    for (const EventId& event : events) {
        const std::uint64_t base = word_base(event.offset.value());
        // A gap costs a bit for each event in it, or a row.
        constexpr std::uint64_t gap_offsets = 64 * kWordOffsets;
        if (request.logs.empty() || event.log != log || base > end + gap_offsets) {
            log = event.log;
            auto& row = request.logs.emplace_back(std::make_unique<wire::fb::LogVerdictsT>());
            row->topic_id = log.topic().value();
            row->partition = log.partition().value();
            row->lane = static_cast<std::uint8_t>(log.lane());
            row->base = base;
        }
        auto& row = *request.logs.back();
        row.done.resize((base - row.base) / kWordOffsets + 1);
        end = base + kWordOffsets;
        row.done.back() |= word_bit(event.offset.value());
    }
    return request;
}

void QueueConsumerImpl::give_back(Withdrawn withdrawn) {
    let_go_of(withdrawn);
    for (const EventId& event : withdrawn.events) {
        const std::uint64_t offset = event.offset.value();
        if (withdrawn.membership == membership_) {
            held_.add(event.log, offset, offset + 1);
        } else {
            lost(event, Error(ErrorCode::lease_lost, "lost while a transaction had it"));
        }
    }
}

void QueueConsumerImpl::let_go_of(const Withdrawn& withdrawn) {
    withdrawn_ -= withdrawn.events.size();
}

}  // namespace casc::client
