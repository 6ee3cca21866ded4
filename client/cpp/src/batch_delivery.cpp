#include "batch_delivery.hpp"

#include <algorithm>

namespace casc::client {

BatchDelivery::BatchDelivery(PartitionId partition, Lane lane,
                             const wire::fb::ProduceReply& reply) {
    appended_ = {.partition = partition,
                 .lane = lane,
                 .offset = Offset(reply.base_offset()),
                 .level = static_cast<Acks>(std::min<std::uint8_t>(reply.level(), 3)),
                 .append_time = EpochNanos(reply.append_time_ns()),
                 .duplicate = reply.duplicate()};
    if (reply.duplicates() != nullptr)
        for (const wire::fb::DuplicateEvents* told : *reply.duplicates()) {
            Delivery first = appended_;
            first.partition = PartitionId(told->partition());
            first.lane = static_cast<Lane>(std::min<std::uint8_t>(told->lane(), kLaneCount - 1));
            first.offset = Offset(told->offset());
            first.schedule_id = told->schedule_id();
            first.duplicate = true;
            parts_.push_back({told->index(), told->count(), first});
        }
    if (reply.scheduled() != nullptr)
        for (const wire::fb::ScheduledEvents* told : *reply.scheduled()) {
            Delivery first = appended_;
            first.offset = {};
            first.schedule_id = told->schedule_id();
            parts_.push_back({told->index(), told->count(), first});
        }
    std::sort(parts_.begin(), parts_.end(),
              [](const Part& a, const Part& b) { return a.index < b.index; });
    std::uint32_t before = 0;
    for (Part& part : parts_) {
        part.before = before;
        before += part.count;
    }
}

Delivery BatchDelivery::of(std::uint32_t index) const {
    Delivery delivery = appended_;
    auto behind =
        std::upper_bound(parts_.begin(), parts_.end(), index,
                         [](std::uint32_t at, const Part& part) { return at < part.index; });
    std::uint32_t elsewhere = 0;  // of those before it
    if (behind != parts_.begin()) {
        const Part& part = *std::prev(behind);
        if (index - part.index < part.count) {
            delivery = part.first;
            if (delivery.schedule_id == 0)
                delivery.offset = delivery.offset + OffsetDelta(index - part.index);
            return delivery;
        }
        elsewhere = part.before + part.count;
    }
    delivery.offset = delivery.offset + OffsetDelta(index - elsewhere);
    return delivery;
}

}  // namespace casc::client
