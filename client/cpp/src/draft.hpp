#pragma once
// client/src/draft.hpp: a batch while events are still added to it.

#include <casc/client/producer.hpp>
#include <casc/wire/batch_builder.hpp>

#include <chrono>
#include <vector>

namespace casc::client {

struct EventCallback {
    std::uint32_t index;  // of its event in the batch
    DeliveryCallback done;
};

// Thread: whoever holds the accumulator's flag; after it was handed over, the I/O thread. Recycled.
struct Draft {
    wire::BatchBuilder builder;
    std::vector<EventCallback> callbacks;
    std::uint32_t log = 0;    // partition * kLaneCount + lane
    std::size_t bytes = 0;    // about what the batch will take, before compression
    std::size_t charged = 0;  // what it holds of the in-flight bound
    std::chrono::steady_clock::time_point opened{};

    void reset(std::uint32_t l, Lane lane) {
        builder.reset(lane);
        callbacks.clear();
        log = l;
        bytes = wire::kBatchOverheadBytes;
        charged = 0;
    }
};

}  // namespace casc::client
