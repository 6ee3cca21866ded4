// A request from its arrival until somebody has it or it waits, and its end.

#include "request_router.hpp"

#include <casc/wire/batch.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::int64_t kCreditMax = std::int64_t{1} << 40;
enum Mode : std::uint8_t { kOne = 0, kAll = 1 };

Result<void> check_kind(const wire::FrameHeader& header, wire::FrameKind wanted) {
    if (header.kind == wanted) return {};
    return Error(ErrorCode::invalid_request, wanted == wire::FrameKind::request
                                                 ? "this has an answer: send it as a request"
                                                 : "this has no answer: send it one-way");
}

}  // namespace

// ---- arrival ------------------------------------------------------------------------------------

Result<RequestRouter::Batch> RequestRouter::check(std::span<const std::byte> attachment) const {
    CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(attachment));
    if (!batch.verify_body()) return Error(ErrorCode::batch_corrupt);
    if (batch.event_count() != 1)
        return Error(ErrorCode::invalid_request, "a request or an answer is a batch of one event");
    if (batch.header().payload_bytes > core_.config.limits.event_bytes)
        return Error(ErrorCode::event_too_large,
                     "the limit is " + std::to_string(core_.config.limits.event_bytes) + " bytes");
    if (batch.has(wire::Column::time_to_live) || batch.has(wire::Column::deliver_at))
        return Error(
            ErrorCode::not_supported,
            "time to live and delayed delivery mean nothing here: a request has a timeout");
    return Batch{attachment, batch.header().lane};
}

Result<void> RequestRouter::check_request(const wire::fb::Request& request,
                                          const RequestPeer& requester,
                                          const wire::FrameHeader& header) const {
    const auto& limits = core_.config.requests;
    CASC_TRY_VOID(check_kind(header, wire::FrameKind::request));
    if (request.timeout_ms() == 0 || milliseconds(request.timeout_ms()) > limits.timeout_max)
        return Error(ErrorCode::invalid_request, "timeout_ms must be between 1 and " +
                                                     std::to_string(limits.timeout_max.count()));
    if (request.mode() > kAll)
        return Error(ErrorCode::invalid_request, "mode must be 0 (one) or 1 (all)");
    if (requester.requests.contains(header.correlation_id))
        return Error(ErrorCode::invalid_request,
                     "the connection has a request of that correlation id under way");
    if (slots_.size() >= limits.under_way_max)
        return Error(ErrorCode::overloaded, "requests.under_way_max is reached");
    return {};
}

void RequestRouter::on_request(const wire::Frame& frame, Session& session) {
    const Responder to(core_, session, frame.header);
    const auto request = wire::view<wire::fb::Request>(frame.body);
    if (!request) return to.error(request.error());
    const auto batch = check(frame.attachments);
    if (!batch) return to.error(batch.error());
    RequestPeer& requester = peer_of(session);
    if (const auto checked = check_request(**request, requester, frame.header); !checked) {
        if (checked.error().code == ErrorCode::overloaded) ++counters_.overloaded;
        return to.error(checked.error());
    }
    const auto* const name = (*request)->subject();
    const auto subject = find_subject(name == nullptr ? std::string_view() : name->string_view());
    if (!subject) return to.error(subject.error());
    ++counters_.requests;
    const std::size_t responders = *subject == nullptr ? 0 : (*subject)->servings.size();
    if (responders == 0 || (*request)->quorum() > responders) {
        ++counters_.no_responders;
        if (responders == 0) return to.error(ErrorCode::no_responders);
        return to.error(
            Error(ErrorCode::no_responders, "a quorum of " + std::to_string((*request)->quorum()) +
                                                " among " + std::to_string(responders)));
    }
    const std::uint32_t id = admit(**request, requester, frame.header.correlation_id, **subject,
                                   batch->lane, mono_now());
    if ((*request)->mode() == kAll) return ask_all(id, batch->bytes, (*request)->quorum());
    ask_one(id, batch->bytes);
}

std::uint32_t RequestRouter::admit(const wire::fb::Request& request, RequestPeer& requester,
                                   std::uint32_t correlation_id, Subject& subject, Lane lane,
                                   MonoNanos now) {
    const std::uint32_t id = slots_.take();
    RequestSlot& slot = slots_[id];
    slot.state = State::open;
    slot.lane = lane;
    slot.correlation_id = correlation_id;
    slot.requester = &requester;
    slot.subject = &subject;
    const std::chrono::nanoseconds time = milliseconds(request.timeout_ms());
    slot.deadline = now + time;
    slot.takes_parts = request.credit_bytes() != 0;
    slot.credit_bytes =
        static_cast<std::int64_t>(std::min<std::uint64_t>(request.credit_bytes(), kCreditMax));
    requester.requests.emplace(correlation_id, id);
    deadlines_.add(id, slot.deadline);
    if (!planned_ || slot.deadline < *planned_) plan_expiry();
    return id;
}

void RequestRouter::ask_one(std::uint32_t id, std::span<const std::byte> batch) {
    Serving* const serving = next_ready(*slots_[id].subject);
    if (serving == nullptr) return wait(id, batch);
    open(id, *serving);
    const auto room = push_call(id, batch.size());
    if (!room.empty()) copy_stamped(batch, room);
}

void RequestRouter::wait(std::uint32_t id, std::span<const std::byte> batch) {
    RequestSlot& slot = slots_[id];
    const auto& limits = core_.config.requests;
    const bool many = slot.subject->waiting.size() >= limits.waiting_max;
    if (many || waiting_bytes_ + batch.size() > limits.waiting_bytes_max) {
        ++counters_.overloaded;
        const char* const which =
            many ? "requests.waiting_max is reached" : "requests.waiting_bytes_max is reached";
        return fail(id, Error(ErrorCode::overloaded, which), ErrorCode::overloaded);
    }
    std::vector<std::byte> kept(batch.size());
    copy_stamped(batch, kept);
    ++waiting_;
    waiting_bytes_ += batch.size();
    slot.state = State::waiting;
    slot.place = slot.subject->waiting.add(slot.lane, {id, std::move(kept)});
}

void RequestRouter::ask_all(std::uint32_t id, std::span<const std::byte> batch,
                            std::uint32_t quorum) {
    Subject& subject = *slots_[id].subject;
    const std::vector<Serving*> asked = subject.servings;
    auto gather = std::make_unique<Gather>();
    gather->responders = static_cast<std::uint32_t>(asked.size());
    gather->quorum = quorum == 0 ? gather->responders : quorum;
    slots_[id].state = State::gathering;
    slots_[id].gather = std::move(gather);
    // One copy, which all frames refer to.
    const storage::BlockRef block = core_.slices.take(batch.size());
    const storage::BatchRef shared{block, block.bytes().first(batch.size())};
    copy_stamped(batch, block.bytes().first(batch.size()));
    for (Serving* const serving : asked) {
        Session& session = *serving->peer->session;
        if (serving->open >= serving->open_max || !session.open() || session.congested()) {
            ++slots_[id].gather->failures;
            send_failed_part(*slots_[id].requester, slots_[id].correlation_id, serving->number,
                             Error(ErrorCode::overloaded, "the responder has no room"));
            continue;
        }
        const std::uint32_t call = slots_.take();
        RequestSlot& parent = slots_[id];
        RequestSlot& slot = slots_[call];
        slot.lane = parent.lane;
        slot.correlation_id = parent.correlation_id;
        slot.requester = parent.requester;
        slot.subject = parent.subject;
        slot.deadline = parent.deadline;
        slot.takes_parts = parent.takes_parts;
        slot.credit_bytes = parent.credit_bytes;
        slot.parent = id;
        slot.place_in_gather = static_cast<std::uint32_t>(parent.gather->calls.size());
        parent.gather->calls.push_back(call);
        open(call, *serving);
        session.send(wire::FrameKind::push, wire::Api::call, 0, call_body(call), {&shared, 1});
    }
    if (slots_[id].gather->calls.empty()) finish_gather(id, ErrorCode::cancelled);
}

void RequestRouter::copy_stamped(std::span<const std::byte> batch,
                                 std::span<std::byte> into) const {
    std::memcpy(into.data(), batch.data(), batch.size());
    wire::stamp_batch(into, Offset(0), core_.now(), 0, 0);
}

// ---- what requesters say later ------------------------------------------------------------------

void RequestRouter::on_cancel(const wire::Frame& frame, Session& session) {
    const Responder to(core_, session, frame.header);
    const auto cancel = wire::view<wire::fb::CancelRequest>(frame.body);
    if (!cancel) return to.error(cancel.error());
    if (const auto kind = check_kind(frame.header, wire::FrameKind::one_way); !kind)
        return to.error(kind.error());
    RequestPeer* const peer = find_peer(session);
    if (peer == nullptr) return;
    // Its answer may just be on the way.
    const auto found = peer->requests.find((*cancel)->request());
    if (found == peer->requests.end()) return;
    ++counters_.cancelled;
    fail(found->second, ErrorCode::cancelled, ErrorCode::cancelled);
}

void RequestRouter::on_credit(const wire::Frame& frame, Session& session) {
    const Responder to(core_, session, frame.header);
    const auto credit = wire::view<wire::fb::PartCredit>(frame.body);
    if (!credit) return to.error(credit.error());
    if (const auto kind = check_kind(frame.header, wire::FrameKind::one_way); !kind)
        return to.error(kind.error());
    RequestPeer* const peer = find_peer(session);
    if (peer == nullptr) return;
    const auto found = peer->requests.find((*credit)->request());
    if (found == peer->requests.end()) return;
    std::uint32_t id = found->second;
    if (const Gather* const gather = slots_[id].gather.get(); gather != nullptr) {
        const auto of = std::find_if(gather->calls.begin(), gather->calls.end(), [&](auto call) {
            return slots_[call].serving->number == (*credit)->responder();
        });
        if (of == gather->calls.end()) return;
        id = *of;
    }
    RequestSlot& slot = slots_[id];
    if (!slot.takes_parts) return;
    const auto bytes =
        static_cast<std::int64_t>(std::min<std::uint64_t>((*credit)->bytes(), kCreditMax));
    slot.credit_bytes = std::min(slot.credit_bytes + bytes, kCreditMax);
    if (slot.serving == nullptr) return;  // it waits, and takes the credit with it
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateCallCredit(builder, slot.serving->serve_id, slots_.call_number(id),
                                          static_cast<std::uint64_t>(bytes));
    });
    slot.serving->peer->session->send(wire::FrameKind::push, wire::Api::call_credit, 0, body);
}

// ---- the end ------------------------------------------------------------------------------------

void RequestRouter::fail(std::uint32_t id, const Error& error, ErrorCode why) {
    ++core_.counters.errors;
    RequestSlot& slot = slots_[id];
    slot.requester->session->send_error(wire::Api::request, slot.correlation_id, error);
    slot.requester->requests.erase(slot.correlation_id);
    drop(id, why);
}

void RequestRouter::drop(std::uint32_t id, ErrorCode why) {
    RequestSlot& slot = slots_[id];
    switch (slot.state) {
        case State::free:
            return;
        case State::waiting:
            --waiting_;
            waiting_bytes_ -= slot.place->batch.size();
            slot.subject->waiting.remove(slot.lane, slot.place);
            break;
        case State::open:
            if (slot.serving == nullptr) break;
            tell_cancelled(id, why);
            release(id);
            break;
        case State::gathering: {
            const auto gather = std::move(slot.gather);
            for (const std::uint32_t call : gather->calls) {
                tell_cancelled(call, why);
                release(call);
                slots_.give_back(call);
            }
            break;
        }
    }
    forget(id);
}

void RequestRouter::forget(std::uint32_t id) {
    deadlines_.remove(id);
    slots_.give_back(id);
}

void RequestRouter::fail_all(ErrorCode why) {
    for (const auto& [number, peer] : peers_)
        for (const auto& [correlation, id] : std::exchange(peer->requests, {}))
            fail(id, why, why);
}

void RequestRouter::expired(std::uint32_t id) {
    ++counters_.timeouts;
    if (slots_[id].state == State::gathering) return finish_gather(id, ErrorCode::timeout);
    const bool waited = slots_[id].serving == nullptr;
    fail(id,
         Error(ErrorCode::timeout, waited ? "no responder had room before the deadline"
                                          : "the responder did not answer before the deadline"),
         ErrorCode::timeout);
}

void RequestRouter::plan_expiry() {
    planned_ = deadlines_.next();
    if (!planned_) return;
    timer_.expires_at(
        std::chrono::steady_clock::time_point(std::chrono::nanoseconds(planned_->value())));
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;  // planned anew
        deadlines_.expire(mono_now(), [this](std::uint32_t id) { expired(id); });
        plan_expiry();
    });
}

}  // namespace casc::broker
