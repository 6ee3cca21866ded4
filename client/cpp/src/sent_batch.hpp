#pragma once
// client/src/sent_batch.hpp: a batch from its encoding until it is settled.

#include "calls.hpp"
#include "draft.hpp"
#include "link.hpp"

#include <memory>
#include <vector>

namespace casc::client {

// Thread: the I/O thread. Recycled with its memory.
struct SentBatch {
    enum class State : std::uint8_t {
        waiting,  // to be sent, for the first time or again
        sent,     // on its way; an answer or the end of the connection will follow
    };

    std::vector<std::byte> frame;  // room for header and body, then the batch
    std::size_t batch_at = 0;
    State state = State::waiting;
    bool ever_sent = false;   // so the broker may have stored it
    bool renumbered = false;  // base_sequence has changed since it was encoded
    WriteMark written;
    std::uint32_t event_count = 0;
    std::uint32_t base_sequence = 0;
    std::uint64_t serial = 0;  // counts the producer's batches, for flush
    std::size_t charged = 0;
    SteadyTime deadline{};
    std::vector<EventCallback> callbacks;

    [[nodiscard]] std::span<std::byte> batch() noexcept {
        return std::span(frame).subspan(batch_at);
    }
};
using SentBatchPtr = std::unique_ptr<SentBatch>;

// Writes producer and sequence into an encoded batch and its checksum anew.
void renumber(std::span<std::byte> batch, ProducerId producer, std::uint32_t epoch,
              std::uint32_t base_sequence) noexcept;

}  // namespace casc::client
