#pragma once
// client/src/batch_delivery.hpp: what a ProduceReply says of the events of a batch.

#include <casc/client/options.hpp>
#include <casc/wire/messages.hpp>

#include <vector>

namespace casc::client {

// Thread: any (a value). Allocates only for what is not simply appended.
class BatchDelivery {
public:
    BatchDelivery(PartitionId partition, Lane lane, const wire::fb::ProduceReply& reply);
    // Nobody has said anything.
    BatchDelivery(PartitionId partition, Lane lane) {
        appended_.partition = partition;
        appended_.lane = lane;
    }

    // Event `index` of the batch.
    [[nodiscard]] Delivery of(std::uint32_t index) const;
    [[nodiscard]] bool duplicate() const noexcept { return appended_.duplicate; }

private:
    // Neighbours that were not appended; `first` is of the one at `index`.
    struct Part {
        std::uint32_t index;
        std::uint32_t count;
        Delivery first;
        std::uint32_t before = 0;  // events of the parts before it
    };

    Delivery appended_;        // the first one that was
    std::vector<Part> parts_;  // by index
};

}  // namespace casc::client
