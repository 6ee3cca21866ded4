#pragma once
// A batch on its way in: check, deduplicate, append or schedule, acknowledge.

#include "incoming_batch.hpp"
#include "log_appender.hpp"
#include "schedules.hpp"

#include <casc/wire/compression.hpp>

namespace casc::broker {

// What became of a batch.
struct AcceptedBatch {
    Offset base;  // of the first event that was appended; of its first time, when it is a duplicate
    std::uint32_t epoch = 0;
    JournalSequence sequence;  // durable with this entry
    bool duplicate = false;    // all of it
    std::vector<wire::fb::DuplicateEventsT> duplicates{};
    std::vector<wire::fb::ScheduledEventsT> scheduled{};
};

// Thread: owning shard.
class ProducePath {
public:
    ProducePath(Core& core, LogAppender& appender, MessageIds& ids, Schedules& schedules)
        : core_(core),
          appender_(appender),
          ids_(ids),
          schedules_(schedules),
          admission_(core, ids) {}

    void on_produce(Session& session, const wire::Frame& frame);
    void on_init_producer(const wire::fb::InitProducerT& request, const Responder& responder);

    // ---- for whoever writes several at once ----

    [[nodiscard]] BatchAdmission& admission() noexcept { return admission_; }
    // What must be in the journal ahead of it, and whether what is to wait finds room. Fails with:
    // overloaded, storage errors.
    [[nodiscard]] Result<void> prepare(const IncomingBatch& incoming);
    // At most, for Store::keep_together().
    [[nodiscard]] static std::size_t batch_bytes(const IncomingBatch& incoming);
    [[nodiscard]] static std::size_t row_bytes(const IncomingBatch& incoming);
    // Appends and schedules what is admitted. Fails with: storage errors, unless keep_together()
    // has promised that it will not.
    [[nodiscard]] Result<AcceptedBatch> append(const IncomingBatch& incoming);
    [[nodiscard]] wire::fb::ProduceReplyT reply_of(const AcceptedBatch& accepted, Acks level) const;

private:
    [[nodiscard]] Result<AcceptedBatch> accept(Session& session, const wire::fb::Produce& request,
                                               std::span<const std::byte> attachment, Acks acks);
    [[nodiscard]] Result<AcceptedBatch> append_parts(const IncomingBatch& incoming);
    [[nodiscard]] std::span<const std::byte> slice(const IncomingBatch& incoming,
                                                   std::span<const std::byte> payloads,
                                                   wire::SliceRange range);
    // `bytes`: the events of the range.
    [[nodiscard]] Result<storage::AppendTicket> append_part(const IncomingBatch& incoming,
                                                            wire::SliceRange range,
                                                            std::span<const std::byte> bytes);
    [[nodiscard]] Result<void> schedule_part(const IncomingBatch& incoming, const BatchPart& part,
                                             std::span<const std::byte> bytes,
                                             AcceptedBatch& accepted);
    // What a ProduceReply mostly says, kept small: it waits in DurableWaits.
    struct Ack {
        Offset base;
        EpochNanos time;
        std::uint32_t epoch;
        bool duplicate;
    };
    static void reply(const Responder& responder, const Ack& ack, Acks level);
    void acknowledge(const Responder& responder, Acks acks, AcceptedBatch accepted);

    Core& core_;
    LogAppender& appender_;
    MessageIds& ids_;
    Schedules& schedules_;
    BatchAdmission admission_;
    wire::Decompressor decompressor_;
    std::vector<std::byte> slice_;
};

}  // namespace casc::broker
