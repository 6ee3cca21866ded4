// What responders say of the requests that they have.

#include "request_router.hpp"

#include <casc/types/cut_text.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/error_of.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::size_t kMessageBytesMax = 4096;

Error error_in(const wire::fb::Answer& answer) {
    Error error = wire::error_of(answer);
    error.detail.resize(cut_text(error.detail, kMessageBytesMax).size());
    return error;
}

}  // namespace

void RequestRouter::on_answer(const wire::Frame& frame, Session& session) {
    const auto answer = wire::view<wire::fb::Answer>(frame.body);
    if (!answer) return Responder(core_, session, frame.header).error(answer.error());
    if (frame.header.kind != wire::FrameKind::one_way)
        return Responder(core_, session, frame.header)
            .error(Error(ErrorCode::invalid_request, "this has no answer: send it one-way"));
    // Late (its deadline has passed, nobody waits), for the second time, or somebody else's.
    const std::uint32_t id = slots_.find((*answer)->call());
    if (id == RequestSlots::kNone || slots_[id].serving == nullptr ||
        slots_[id].serving->peer->session.get() != &session) {
        ++counters_.answers_ignored;
        return;
    }
    if ((*answer)->error() != 0) {
        ++counters_.failures;
        release(id);
        return on_failure(id, error_in(**answer));
    }
    const auto batch = check(frame.attachments);
    if (!batch) {
        // Its fault, and the requester's loss: both are told.
        Responder(core_, session, frame.header).error(batch.error());
        tell_cancelled(id, batch.error().code);
        release(id);
        return on_failure(id, Error(ErrorCode::responder_failed,
                                    "its answer was not valid: " + batch.error().message()));
    }
    if (!takes_answers(*slots_[id].requester)) {
        tell_cancelled(id, ErrorCode::overloaded);
        release(id);
        ++counters_.overloaded;
        return on_failure(id,
                          Error(ErrorCode::overloaded, "the requester does not read its answers"));
    }
    if ((*answer)->more()) return on_part(id, batch->bytes);
    on_last(id, batch->bytes);
}

// A requester that does not read bounds what is kept for it.
bool RequestRouter::takes_answers(const RequestPeer& requester) const noexcept {
    return requester.session->queued_bytes() <= core_.config.requests.unread_bytes_max;
}

void RequestRouter::on_part(std::uint32_t id, std::span<const std::byte> batch) {
    RequestSlot& slot = slots_[id];
    if (!slot.takes_parts || slot.credit_bytes <= 0) {
        const bool unwanted = !slot.takes_parts;
        const ErrorCode why = unwanted ? ErrorCode::not_supported : ErrorCode::overloaded;
        tell_cancelled(id, why);
        release(id);
        return on_failure(
            id, Error(why, unwanted ? "the responder answers in parts, and the requester takes none"
                                    : "the responder has sent more than there was credit for"));
    }
    slot.credit_bytes -= static_cast<std::int64_t>(batch.size());
    ++counters_.parts;
    send_part(id, /*more=*/true, batch);
}

void RequestRouter::on_last(std::uint32_t id, std::span<const std::byte> batch) {
    RequestSlot& slot = slots_[id];
    if (slot.parent != RequestSlots::kNone) {
        send_part(id, /*more=*/false, batch);
        release(id);
        return call_ended(id, /*good=*/true);
    }
    RequestPeer& requester = *slot.requester;
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateRequestReply(builder, slot.serving->number);
    });
    const auto room = requester.session->send_room(wire::FrameKind::response, wire::Api::request,
                                                   slot.correlation_id, body, batch.size());
    if (!room.empty()) copy_stamped(batch, room);
    handed_on_ = true;
    requester.requests.erase(slot.correlation_id);
    release(id);
    forget(id);
}

// The responder has been released.
void RequestRouter::on_failure(std::uint32_t id, const Error& why) {
    RequestSlot& slot = slots_[id];
    if (slot.parent == RequestSlots::kNone) return fail(id, why, why.code);
    send_failed_part(*slot.requester, slot.correlation_id, slot.responder, why);
    call_ended(id, /*good=*/false);
}

void RequestRouter::send_part(std::uint32_t id, bool more, std::span<const std::byte> batch) {
    const RequestSlot& slot = slots_[id];
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateReplyPart(builder, slot.correlation_id, slot.serving->number, more);
    });
    const auto room = slot.requester->session->send_room(
        wire::FrameKind::push, wire::Api::reply_part, 0, body, batch.size());
    if (!room.empty()) copy_stamped(batch, room);
}

void RequestRouter::send_failed_part(RequestPeer& requester, std::uint32_t correlation_id,
                                     std::uint64_t responder, const Error& why) {
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto message = builder.CreateString(
            why.detail.empty() ? std::string(error_info(why.code).sentence) : why.detail);
        return wire::fb::CreateReplyPart(builder, correlation_id, responder, /*more=*/false,
                                         static_cast<std::uint16_t>(why.code), message,
                                         why.retry_after_ms, why.fallback_available);
    });
    requester.session->send(wire::FrameKind::push, wire::Api::reply_part, 0, body);
}

// ---- from all -----------------------------------------------------------------------------------

void RequestRouter::call_ended(std::uint32_t id, bool good) {
    const std::uint32_t parent = slots_[id].parent;
    Gather& gather = *slots_[parent].gather;
    const std::uint32_t place = slots_[id].place_in_gather;
    gather.calls[place] = gather.calls.back();
    slots_[gather.calls[place]].place_in_gather = place;
    gather.calls.pop_back();
    slots_.give_back(id);
    ++(good ? gather.answers : gather.failures);
    if (gather.answers >= gather.quorum || gather.calls.empty())
        finish_gather(parent, ErrorCode::cancelled);
}

void RequestRouter::finish_gather(std::uint32_t id, ErrorCode why) {
    RequestSlot& slot = slots_[id];
    const Gather& gather = *slot.gather;
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateRequestReply(builder, 0, gather.responders, gather.answers,
                                            gather.failures);
    });
    slot.requester->session->send(wire::FrameKind::response, wire::Api::request,
                                  slot.correlation_id, body);
    slot.requester->requests.erase(slot.correlation_id);
    drop(id, why);
}

}  // namespace casc::broker
