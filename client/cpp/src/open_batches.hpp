#pragma once
// client/src/open_batches.hpp: the batches that a poll hands out: checked, opened, and kept where
// they are until the next poll.

#include "inbox.hpp"

#include <casc/client/event_batch.hpp>
#include <casc/types/result.hpp>
#include <casc/wire/compression.hpp>

#include <array>
#include <memory>
#include <vector>

namespace casc::client {

// A batch may be handed out in parts, over several polls; it is checked and opened once. So may
// several at a time, one of each lane at most, since a more urgent one goes between the parts.
//
// Thread: the consumer's.
class OpenBatches {
public:
    // The first batch of `rest`, checked end to end: the checksum is the producer's. Fails with:
    // batch_malformed, batch_corrupt.
    [[nodiscard]] Result<wire::BatchView> check(std::span<const std::byte> rest) const;
    // Its payloads, uncompressed. Fails with: batch_malformed.
    [[nodiscard]] Result<std::span<const std::byte>> open(const wire::BatchView& view);
    // Hands out events of it, which lie in `buffer`.
    void hand_out(const ReceivedBatch& batch, const BufferRef& buffer);
    struct HandedOut {
        std::size_t events;
        std::uint32_t end;  // where to go on
    };
    // Of `batch`, the first one of `item`, the events that are meant, `events_max` at most.
    HandedOut hand_out(const ReceivedBatch& batch, const InboxItem& item, std::size_t events_max);
    // Nothing more of the first batch of `rest` will be handed out.
    void finish_batch(std::span<const std::byte> rest) noexcept;
    // Nor of any that was begun.
    void finish_all() noexcept { begun_ = {}; }

    // What was handed out since the last call of release().
    [[nodiscard]] EventBatch events(std::size_t count);
    // A new poll: what was handed out is no longer used.
    void release();

private:
    static constexpr std::size_t kNone = ~std::size_t{0};

    // A batch that was begun.
    struct Begun {
        const std::byte* batch = nullptr;
        std::span<const std::byte> payloads{};
        std::size_t decompressor = kNone;
    };
    [[nodiscard]] const Begun* find(const std::byte* batch) const noexcept;

    std::vector<ReceivedBatch> handed_out_;
    std::vector<BufferRef> held_;
    std::vector<std::unique_ptr<wire::Decompressor>> decompressors_;
    std::size_t decompressors_used_ = 0;
    std::array<Begun, kLaneCount> begun_{};
};

}  // namespace casc::client
