#include "produce_path.hpp"

#include <casc/wire/batch.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::size_t kProducerRowBytes = 128;

wire::fb::DuplicateEventsT duplicate_of(const BatchPart& part, LogId log, Offset offset,
                                        std::uint64_t schedule_id) {
    wire::fb::DuplicateEventsT told;
    told.index = part.range.first;
    told.count = part.count();
    told.partition = log.partition().value();
    told.lane = static_cast<std::uint8_t>(log.lane());
    told.offset = offset.value();
    told.schedule_id = schedule_id;
    return told;
}

bool is_whole(const IncomingBatch& incoming, wire::SliceRange range) {
    return range.first == 0 && range.end == incoming.batch.event_count();
}

}  // namespace

void ProducePath::on_produce(Session& session, const wire::Frame& frame) {
    const bool one_way = frame.header.kind == wire::FrameKind::one_way;
    const Responder responder(core_, session, frame.header);
    const auto request = wire::view<wire::fb::Produce>(frame.body);
    if (!request) return responder.error(request.error());
    const auto acks = one_way ? Acks::none : static_cast<Acks>((*request)->acks());
    auto accepted = accept(session, **request, frame.attachments, acks);
    // A one-way producer asked not to be told, but a refused batch would otherwise be a silent
    // loss.
    if (!accepted) return responder.error(accepted.error());
    if (!one_way) acknowledge(responder, acks, std::move(*accepted));
}

Result<AcceptedBatch> ProducePath::accept(Session& session, const wire::fb::Produce& request,
                                          std::span<const std::byte> attachment, Acks acks) {
    if (acks > Acks::durable)
        return Error(ErrorCode::not_supported, "acks=replicated: this broker has no replicas");
    admission_.begin();
    CASC_TRY(const IncomingBatch incoming,
             admission_.admit(session, request.topic_id(), request.partition(), attachment));
    const Topic& topic = *incoming.place.topic;
    if (topic.is_volatile() && acks >= Acks::durable)
        return Error(ErrorCode::not_supported, "acks=durable: topic " + topic.name +
                                                   " is volatile, nothing of it is stored; there "
                                                   "are acks=memory and none");
    CASC_TRY_VOID(prepare(incoming));
    // The batch, its deduplication row and what waits become durable in one entry.
    if (!incoming.repeated && !topic.is_volatile())
        CASC_TRY_VOID(core_.store.keep_together(batch_bytes(incoming), row_bytes(incoming)));
    return append(incoming);
}

// ---- appending ----------------------------------------------------------------------------------

Result<void> ProducePath::prepare(const IncomingBatch& incoming) {
    if (incoming.repeated) return {};
    const bool waits =
        std::any_of(incoming.parts.begin(), incoming.parts.end(),
                    [](const BatchPart& part) { return part.fate == BatchPart::Fate::scheduled; });
    if (waits) CASC_TRY_VOID(schedules_.check_room(batch_bytes(incoming) + row_bytes(incoming)));
    // What has to be opened must open, before the first part of it is appended; of a compacted
    // topic once events in it are replaced.
    if (!incoming.parts.empty() || incoming.place.topic->is_compacted())
        CASC_TRY_VOID(decompressor_.open(incoming.batch));
    for (const BatchPart& part : incoming.parts)
        if (part.fate != BatchPart::Fate::duplicate && !is_whole(incoming, part.range) &&
            wire::slice_bytes(incoming.batch, part.range) > wire::kBatchBytesMax)
            return Error(ErrorCode::event_too_large,
                         "uncompressed, a part of the batch that has to go by itself is larger "
                         "than a batch");
    return appender_.prepare(incoming.place);
}

// Uncompressed, and each part with a header of its own, when it is divided.
std::size_t ProducePath::batch_bytes(const IncomingBatch& incoming) {
    if (incoming.repeated) return 0;
    const wire::BatchHeader& header = incoming.batch.header();
    const std::size_t stored = LogAppender::entry_bytes(incoming.batch.bytes().size());
    if (incoming.parts.empty()) return stored;
    // Each column, and the batch, is filled up to a multiple of 8.
    constexpr std::size_t padding_bytes = 8 * (2 * wire::kColumnCount + 1);
    return header.columns_bytes + std::max(header.payload_bytes, header.stored_payload_bytes) +
           incoming.parts.size() *
               (LogAppender::entry_bytes(wire::kBatchOverheadBytes) + padding_bytes);
}

std::size_t ProducePath::row_bytes(const IncomingBatch& incoming) {
    if (incoming.repeated) return 0;
    std::size_t bytes = kProducerRowBytes;
    for (const BatchPart& part : incoming.parts)
        if (part.fate == BatchPart::Fate::scheduled) bytes += Schedules::row_bytes(0);
    return bytes;
}

Result<AcceptedBatch> ProducePath::append(const IncomingBatch& incoming) {
    if (incoming.repeated) {
        ++core_.counters.batches_duplicate;
        return AcceptedBatch{.base = incoming.repeated->base,
                             .sequence = incoming.repeated->sequence,
                             .duplicate = true};
    }
    AcceptedBatch accepted;
    if (incoming.parts.empty()) {
        CASC_TRY(const auto ticket,
                 append_part(incoming, {0, incoming.batch.event_count()}, incoming.batch.bytes()));
        accepted.base = ticket.base;
        accepted.sequence = ticket.sequence;
    } else {
        CASC_TRY(accepted, append_parts(incoming));
    }
    const LogId log = incoming.place.log;
    const auto state = core_.logs.state(log);
    accepted.epoch = state ? state->epoch : 0;
    const wire::BatchHeader& header = incoming.batch.header();
    if (header.producer_id != 0 && !incoming.place.topic->is_volatile()) {
        // When nothing of it was appended its row may be in a later entry than what it repeats.
        CASC_TRY(const JournalSequence remembered,
                 core_.producers.remember(log, header, {accepted.base, accepted.sequence, 0},
                                          core_.now()));
        accepted.sequence = std::max(accepted.sequence, remembered);
    }
    return accepted;
}

Result<AcceptedBatch> ProducePath::append_parts(const IncomingBatch& incoming) {
    AcceptedBatch accepted;
    CASC_TRY(const auto payloads, decompressor_.open(incoming.batch));
    const auto state = core_.logs.state(incoming.place.log);
    accepted.base = state ? state->end : Offset(0);
    bool all_known = true;
    for (const BatchPart& part : incoming.parts)
        if (part.fate == BatchPart::Fate::duplicate && part.original) {
            const MessageIds::Seen& seen = *part.original;
            accepted.duplicates.push_back(
                duplicate_of(part, seen.log, seen.offset, seen.schedule_id));
            accepted.sequence = std::max(accepted.sequence, seen.sequence);
        }
    // Their offsets follow one another: nobody else appends meanwhile.
    for (const BatchPart& part : incoming.parts) {
        if (part.fate == BatchPart::Fate::duplicate) continue;
        all_known = false;
        const auto bytes = slice(incoming, payloads, part.range);
        if (part.fate == BatchPart::Fate::appended) {
            CASC_TRY(const auto ticket, append_part(incoming, part.range, bytes));
            accepted.sequence = std::max(accepted.sequence, ticket.sequence);
        } else {
            CASC_TRY_VOID(schedule_part(incoming, part, bytes, accepted));
        }
    }
    // Twins of events of the same batch lie where those have just gone.
    for (const BatchPart& part : incoming.parts) {
        if (part.fate != BatchPart::Fate::duplicate || part.original) continue;
        const auto id = message_id_of(incoming.batch, part.range.first);
        const MessageIds::Seen* seen = ids_.find(*incoming.place.topic, *id, core_.now());
        accepted.duplicates.push_back(
            duplicate_of(part, incoming.place.log, seen->offset, seen->schedule_id));
    }
    if (all_known) {
        accepted.duplicate = true;
        accepted.base = Offset(accepted.duplicates.front().offset);
        ++core_.counters.batches_duplicate;
    }
    return accepted;
}

std::span<const std::byte> ProducePath::slice(const IncomingBatch& incoming,
                                              std::span<const std::byte> payloads,
                                              wire::SliceRange range) {
    if (is_whole(incoming, range)) return incoming.batch.bytes();
    slice_.resize(wire::slice_bytes(incoming.batch, range));
    wire::slice_batch(incoming.batch, payloads, range, slice_);
    return slice_;
}

Result<storage::AppendTicket> ProducePath::append_part(const IncomingBatch& incoming,
                                                       wire::SliceRange range,
                                                       std::span<const std::byte> bytes) {
    CASC_TRY(const storage::AppendTicket ticket, appender_.append(incoming.place, bytes));
    ids_.remember_all(
        *incoming.place.topic, incoming.batch, range,
        {.log = incoming.place.log, .offset = ticket.base, .sequence = ticket.sequence},
        core_.now());
    return ticket;
}

Result<void> ProducePath::schedule_part(const IncomingBatch& incoming, const BatchPart& part,
                                        std::span<const std::byte> bytes, AcceptedBatch& accepted) {
    CASC_TRY(const Schedules::Added added,
             schedules_.add(incoming.place, bytes, part.count(), part.due));
    wire::fb::ScheduledEventsT told;
    told.index = part.range.first;
    told.count = part.count();
    told.schedule_id = added.id;
    told.due_ns = part.due.value();
    accepted.scheduled.push_back(told);
    accepted.sequence = std::max(accepted.sequence, added.sequence);
    ids_.remember_all(*incoming.place.topic, incoming.batch, part.range,
                      {.log = incoming.place.log,
                       .offset = {},
                       .schedule_id = added.id,
                       .sequence = added.sequence},
                      core_.now());
    return {};
}

// ---- acknowledging ------------------------------------------------------------------------------

void ProducePath::acknowledge(const Responder& responder, Acks acks, AcceptedBatch accepted) {
    const bool plain = accepted.duplicates.empty() && accepted.scheduled.empty();
    if (acks == Acks::durable) {
        core_.store.hurry(accepted.sequence);
        if (!plain)
            return responder.reply_when_durable(accepted.sequence,
                                                reply_of(accepted, Acks::durable));
        auto answer = [responder, ack = Ack{accepted.base, core_.now(), accepted.epoch,
                                            accepted.duplicate}](const Error* failure) {
            if (failure != nullptr) return responder.error(*failure);
            reply(responder, ack, Acks::durable);
        };
        static_assert(
            DurableWaits::Callback::fits<decltype(answer)>);  // one per batch: no allocation
        return core_.waits.after(accepted.sequence, std::move(answer));
    }
    const bool durable = accepted.sequence <= core_.store.durable_through();
    const Acks level = durable ? Acks::durable : Acks::memory;
    if (!plain) return responder.reply(reply_of(accepted, level));
    reply(responder, {accepted.base, core_.now(), accepted.epoch, accepted.duplicate}, level);
}

wire::fb::ProduceReplyT ProducePath::reply_of(const AcceptedBatch& accepted, Acks level) const {
    wire::fb::ProduceReplyT reply;
    reply.base_offset = accepted.base.value();
    reply.append_time_ns = core_.now().value();
    reply.level = static_cast<std::uint8_t>(level);
    reply.duplicate = accepted.duplicate;
    reply.epoch = accepted.epoch;
    for (const auto& part : accepted.duplicates)
        reply.duplicates.push_back(std::make_unique<wire::fb::DuplicateEventsT>(part));
    for (const auto& part : accepted.scheduled)
        reply.scheduled.push_back(std::make_unique<wire::fb::ScheduledEventsT>(part));
    return reply;
}

void ProducePath::reply(const Responder& responder, const Ack& ack, Acks level) {
    responder.reply_built([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateProduceReply(builder, ack.base.value(), ack.time.value(),
                                            static_cast<std::uint8_t>(level), ack.duplicate,
                                            ack.epoch);
    });
}

void ProducePath::on_init_producer(const wire::fb::InitProducerT& request,
                                   const Responder& responder) {
    if (!request.name.empty())
        if (const auto named = check_name("a producer name", request.name); !named)
            return responder.error(named.error());
    const auto identity = core_.producers.init(request.name);
    if (!identity) return responder.error(identity.error());
    if (const SessionPtr session = responder.session())
        session->produced.note(identity->id, session->last_active());
    wire::fb::InitProducerReplyT reply;
    reply.producer_id = identity->id.value();
    reply.epoch = identity->epoch;
    responder.reply_when_durable(identity->sequence, reply);
}

}  // namespace casc::broker
