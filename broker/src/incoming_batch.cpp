#include "incoming_batch.hpp"

namespace casc::broker {
namespace {

std::uint32_t largest_payload(const wire::BatchView& batch) {
    // The end positions are ordered (BatchView::parse), so one pass over them is all there is to
    // do.
    const auto ends = batch.column(wire::Column::payload_ends);
    std::uint32_t largest = 0;
    std::uint32_t previous = 0;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        std::uint32_t end;
        std::memcpy(&end, ends.data() + std::size_t{4} * i, sizeof end);
        largest = std::max(largest, end - previous);
        previous = end;
    }
    return largest;
}

EpochNanos deliver_at(const wire::BatchView& batch, std::uint32_t index) {
    std::int64_t at;
    std::memcpy(&at, batch.column(wire::Column::deliver_at).data() + std::size_t{8} * index,
                sizeof at);
    return EpochNanos(at);
}

// Whether `next` goes on where `part` ends.
bool continues(const BatchPart& part, const BatchPart& next) {
    if (part.fate != next.fate) return false;
    switch (part.fate) {
        case BatchPart::Fate::appended:
            return true;
        case BatchPart::Fate::scheduled:
            return part.due == next.due;
        case BatchPart::Fate::duplicate:
            break;
    }
    if (part.original.has_value() != next.original.has_value()) return false;
    if (!part.original) return false;  // where its twin goes is not known yet
    const MessageIds::Seen& first = *part.original;
    const MessageIds::Seen& second = *next.original;
    if (first.log != second.log || first.schedule_id != second.schedule_id) return false;
    return first.schedule_id != 0 || second.offset == first.offset + OffsetDelta(part.count());
}

}  // namespace

Result<IncomingBatch> BatchAdmission::admit(Session& session, std::uint32_t topic_id,
                                            std::uint32_t partition,
                                            std::span<const std::byte> attachment) {
    CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(attachment));
    const ProducerId producer(batch.header().producer_id);
    session.produced.note(core_.producers.was_given_out(producer) ? producer : ProducerId(0),
                          session.last_active());
    CASC_TRY(const Core::Place place,
             core_.place(topic_id, partition, static_cast<std::uint8_t>(batch.header().lane)));
    if (!batch.verify_body()) return Error(ErrorCode::batch_corrupt);
    const std::uint32_t event_bytes_max = place.topic->settings.event_bytes_max;
    if (batch.header().payload_bytes > event_bytes_max && largest_payload(batch) > event_bytes_max)
        return Error(ErrorCode::event_too_large, "the limit of topic " + place.topic->name +
                                                     " is " + std::to_string(event_bytes_max) +
                                                     " bytes");
    if (place.topic->is_compacted())
        CASC_TRY_VOID(core_.keys.check(*place.topic, place.log.partition(), batch,
                                       core_.config.topics.keys_memory_bytes));
    IncomingBatch incoming{.place = place, .batch = batch};
    // Without a memory of what was there before a restart, duplicates cannot be told from the rest.
    if (batch.header().producer_id != 0 && !place.topic->is_volatile()) {
        CASC_TRY(const ProducerTable::Check check,
                 core_.producers.check(place.log, batch.header()));
        if (check.verdict == ProducerTable::Verdict::duplicate) {
            incoming.repeated = check;
            return incoming;
        }
    }
    CASC_TRY_VOID(divide(incoming));
    return incoming;
}

Result<void> BatchAdmission::divide(IncomingBatch& incoming) {
    const wire::BatchView& batch = incoming.batch;
    const bool has_ids =
        MessageIds::wanted(*incoming.place.topic) && batch.has(wire::Column::message_ids);
    if (!has_ids && !batch.has(wire::Column::deliver_at)) return {};
    const std::size_t ids_max = core_.config.producers.message_ids_max;
    if (has_ids && ids_.size() + admitted_.size() + batch.event_count() > ids_max)
        return Error(ErrorCode::overloaded,
                     "the broker remembers " + std::to_string(ids_max) +
                         " message ids at most (producers.message_ids_max): shorten the windows "
                         "of the topics, or raise it",
                     1000);
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        CASC_TRY(const BatchPart part, judge(incoming, i));
        if (!incoming.parts.empty() && continues(incoming.parts.back(), part)) {
            ++incoming.parts.back().range.end;
        } else {
            incoming.parts.push_back(part);
        }
    }
    if (incoming.parts.size() == 1 && incoming.parts.front().fate == BatchPart::Fate::appended)
        incoming.parts.clear();
    return {};
}

Result<BatchPart> BatchAdmission::judge(const IncomingBatch& incoming, std::uint32_t index) {
    const Topic& topic = *incoming.place.topic;
    const wire::BatchView& batch = incoming.batch;
    BatchPart part{.range = {index, index + 1}};
    if (MessageIds::wanted(topic) && batch.has(wire::Column::message_ids)) {
        if (const auto id = message_id_of(batch, index)) {
            part.fate = BatchPart::Fate::duplicate;
            if (const MessageIds::Seen* seen = ids_.find(topic, *id, core_.now())) {
                part.original = *seen;
                return part;
            }
            const auto [at, is_new] =
                admitted_.try_emplace(Id{topic.id, *id}, Admitted{incoming.place.log, index});
            if (!is_new && at->second.log != incoming.place.log)
                return Error(ErrorCode::invalid_request,
                             "two batches of one atomic write have the same message id");
            part.twin = at->second.index;
            if (!is_new) return part;
            part.fate = BatchPart::Fate::appended;
        }
    }
    if (batch.has(wire::Column::deliver_at)) {
        part.due = deliver_at(batch, index);
        if (part.due > core_.now()) part.fate = BatchPart::Fate::scheduled;
        if (part.fate == BatchPart::Fate::scheduled && topic.is_volatile())
            return Error(ErrorCode::not_supported,
                         "delayed events are stored until they are due; nothing of the volatile "
                         "topic " +
                             topic.name + " is");
    }
    return part;
}

}  // namespace casc::broker
