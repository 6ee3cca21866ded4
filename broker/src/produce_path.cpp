#include "produce_path.hpp"

#include <casc/wire/batch.hpp>

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

}  // namespace

void ProducePath::on_produce(Session& session, const wire::Frame& frame) {
    const bool one_way = frame.header.kind == wire::FrameKind::one_way;
    const Responder responder(core_, session, frame.header);
    const auto request = wire::view<wire::fb::Produce>(frame.body);
    if (!request) return responder.error(request.error());
    const auto acks = one_way ? Acks::none : static_cast<Acks>((*request)->acks());
    const auto accepted = accept(**request, frame.attachments, acks);
    // A one-way producer asked not to be told, but a refused batch would otherwise be a silent
    // loss.
    if (!accepted) return responder.error(accepted.error());
    if (!one_way) acknowledge(responder, acks, *accepted);
}

Result<ProducePath::Accepted> ProducePath::accept(const wire::fb::Produce& request,
                                                  std::span<const std::byte> attachment,
                                                  Acks acks) {
    if (acks > Acks::durable)
        return Error(ErrorCode::not_supported, "acks=replicated: this broker has no replicas");
    CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(attachment));
    CASC_TRY(const Core::Place place, core_.place(request.topic_id(), request.partition(),
                                                  static_cast<std::uint8_t>(batch.header().lane)));
    const bool is_volatile = place.topic->is_volatile();
    if (is_volatile) CASC_TRY_VOID(check_volatile(*place.topic, acks));
    if (!batch.verify_body()) return Error(ErrorCode::batch_corrupt);
    const std::uint32_t event_bytes_max = place.topic->settings.event_bytes_max;
    if (batch.header().payload_bytes > event_bytes_max && largest_payload(batch) > event_bytes_max)
        return Error(ErrorCode::event_too_large, "the limit of topic " + place.topic->name +
                                                     " is " + std::to_string(event_bytes_max) +
                                                     " bytes");
    if (batch.header().columns >> static_cast<unsigned>(wire::Column::time_to_live) != 0)
        return Error(ErrorCode::not_supported,
                     "time to live and delayed delivery are not supported yet");

    if (is_volatile) return append_volatile(place, batch);
    if (batch.header().producer_id != 0) {
        CASC_TRY(const ProducerTable::Check check,
                 core_.producers.check(place.log, batch.header()));
        if (check.verdict == ProducerTable::Verdict::duplicate) {
            ++core_.counters.batches_duplicate;
            return Accepted{check.base, 0, check.sequence, true};
        }
    }
    return append(place, batch);
}

Result<ProducePath::Accepted> ProducePath::append(const Core::Place& place,
                                                  const wire::BatchView& batch) {
    const bool seen_at_once = place.topic->settings.durability == Durability::memory;
    if (seen_at_once) {
        const auto state = core_.store.log_state(place.log);
        CASC_TRY_VOID(core_.visibility.before_append(place.log, state ? state->end : Offset(0)));
    }
    // The batch, its deduplication row and a reservation become durable in one entry.
    constexpr std::size_t rows_bytes = 512;
    CASC_TRY_VOID(core_.store.keep_together(batch.bytes().size() + rows_bytes));
    CASC_TRY(const storage::AppendTicket ticket,
             core_.store.append(place.log, place.topic->settings.retention_class(), batch.bytes(),
                                core_.now,
                                seen_at_once ? storage::Urgency::soon : storage::Urgency::now));
    if (batch.header().producer_id != 0)
        CASC_TRY_VOID(core_.producers.remember(place.log, batch.header(), ticket, core_.now));

    count(batch);
    retention_.on_append(*place.topic, place.log);
    if (seen_at_once)
        core_.watch.visible(place.log, core_.visibility.visible_end(*place.topic, place.log));
    return Accepted{ticket.base, core_.store.log_state(place.log)->epoch, ticket.sequence, false};
}

void ProducePath::count(const wire::BatchView& batch) {
    auto& lane = core_.counters.lanes[static_cast<std::size_t>(batch.header().lane)];
    lane.events_in += batch.event_count();
    lane.bytes_in += batch.bytes().size();
    ++core_.counters.batches_in;
}

void ProducePath::acknowledge(const Responder& responder, Acks acks, const Accepted& accepted) {
    if (acks == Acks::durable) {
        auto answer = [responder, ack = Ack{accepted.base, core_.now, accepted.epoch,
                                            accepted.duplicate}](const Error* failure) {
            if (failure != nullptr) return responder.error(*failure);
            reply(responder, ack, Acks::durable);
        };
        static_assert(
            DurableWaits::Callback::fits<decltype(answer)>);  // one per batch: no allocation
        core_.store.hurry(accepted.sequence);
        return core_.waits.after(accepted.sequence, std::move(answer));
    }
    const bool durable = accepted.sequence <= core_.store.durable_through();
    reply(responder, {accepted.base, core_.now, accepted.epoch, accepted.duplicate},
          durable ? Acks::durable : Acks::memory);
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
    wire::fb::InitProducerReplyT reply;
    reply.producer_id = identity->id.value();
    reply.epoch = identity->epoch;
    responder.reply_when_durable(identity->sequence, reply);
}

}  // namespace casc::broker
