#pragma once
// A batch on its way in, checked, and what is to become of its events: mostly all are appended as
// they lie there; some may have been taken before, others are to be delivered later.

#include "core.hpp"
#include "message_ids.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <optional>
#include <vector>

namespace casc::broker {

// Neighbouring events that share their fate.
struct BatchPart {
    enum class Fate : std::uint8_t { appended, duplicate, scheduled };
    wire::SliceRange range;
    Fate fate = Fate::appended;
    EpochNanos due{};                            // of scheduled ones
    std::optional<MessageIds::Seen> original{};  // of duplicates; nothing: of the same batch,
    std::uint32_t twin = 0;                      // at this place

    [[nodiscard]] std::uint32_t count() const noexcept { return range.end - range.first; }
};

struct IncomingBatch {
    Core::Place place;
    wire::BatchView batch;
    // The whole batch had been taken before, by its sequence.
    std::optional<ProducerTable::Check> repeated{};
    // In order, one after the other; empty: all of it is appended.
    std::vector<BatchPart> parts{};
};

// Thread: owning shard.
class BatchAdmission {
public:
    BatchAdmission(Core& core, MessageIds& ids) : core_(core), ids_(ids) {}

    // Forgets the ids of what was admitted together.
    void begin() { admitted_.clear(); }
    // Views into `attachment`, which came over `session`. Fails with: batch_malformed,
    // batch_corrupt, unknown_topic, unknown_partition, event_too_large, unknown_producer,
    // producer_fenced, sequence_gap, sequence_too_old, overloaded (too many message ids),
    // invalid_request.
    [[nodiscard]] Result<IncomingBatch> admit(Session& session, std::uint32_t topic_id,
                                              std::uint32_t partition,
                                              std::span<const std::byte> attachment);

private:
    struct Id {
        TopicId topic;
        MessageId id;
        friend bool operator==(const Id&, const Id&) = default;
    };
    struct IdHash {
        std::size_t operator()(const Id& id) const noexcept {
            std::uint64_t half;
            std::memcpy(&half, id.id.data(), sizeof half);
            return (half ^ id.topic.value()) * 0x9E3779B97F4A7C15ull;
        }
    };
    struct Admitted {
        LogId log;
        std::uint32_t index;
    };

    [[nodiscard]] Result<void> divide(IncomingBatch& incoming);
    [[nodiscard]] Result<BatchPart> judge(const IncomingBatch& incoming, std::uint32_t index);

    Core& core_;
    MessageIds& ids_;
    boost::unordered_flat_map<Id, Admitted, IdHash> admitted_;  // fresh ids since begin()
};

}  // namespace casc::broker
