// Who serves what, and who gets the next request.

#include "request_router.hpp"

#include "topic.hpp"

#include <casc/broker/logging.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::uint32_t kOpenMax = 1u << 20;
constexpr std::size_t kServingsMax = 10'000;  // of one connection
constexpr std::uint32_t kServicesMax = 10'000;

}  // namespace

RequestRouter::RequestRouter(Core& core) : core_(core), deadlines_(mono_now()), timer_(core.io) {}

// ---- connections --------------------------------------------------------------------------------

RequestPeer* RequestRouter::find_peer(const Session& session) {
    const auto found = peers_.find(session.number());
    return found == peers_.end() ? nullptr : found->second.get();
}

RequestPeer& RequestRouter::peer_of(Session& session) {
    auto& peer = peers_[session.number()];
    if (!peer) {
        peer = std::make_unique<RequestPeer>();
        peer->session = session.shared_from_this();
    }
    return *peer;
}

void RequestRouter::on_closed(Session& session) {
    const auto found = peers_.find(session.number());
    if (found == peers_.end()) return;
    const std::unique_ptr<RequestPeer> peer = std::move(found->second);
    peers_.erase(found);
    // What it has asked first, for it may have asked itself; and what waits before what is open, or
    // it would be handed over in its place.
    const auto asked = std::exchange(peer->requests, {});
    counters_.cancelled += asked.size();
    for (const auto& [correlation, id] : asked)
        if (slots_[id].state == State::waiting) drop(id, ErrorCode::connection_closed);
    for (const auto& [correlation, id] : asked)
        if (slots_[id].state != State::free) drop(id, ErrorCode::connection_closed);
    for (const auto& [serve_id, serving] : peer->servings) {
        if (!serving->stopped) remove_from_subject(*serving);
        while (serving->first_open != RequestSlots::kNone) {
            const std::uint32_t id = serving->first_open;
            ++counters_.responders_lost;
            release(id);
            on_failure(id, ErrorCode::responder_lost);
        }
    }
}

void RequestRouter::on_writable(Session& session) {
    RequestPeer* peer = find_peer(session);
    if (peer == nullptr) return;
    for (Serving* serving : std::exchange(peer->held_back, {})) {
        make_ready(*serving);
        if (!serving->stopped) serve_waiting(*serving->subject);
    }
}

// ---- serving ------------------------------------------------------------------------------------

Result<Subject*> RequestRouter::find_subject(std::string_view name) {
    if (const auto found = subjects_.find(name); found != subjects_.end())
        return found->second.get();
    CASC_TRY_VOID(check_name("a subject", name));
    return nullptr;
}

void RequestRouter::on_serve(const wire::fb::ServeT& request, Session& session,
                             const Responder& responder) {
    if (request.open_max == 0 || request.open_max > kOpenMax)
        return responder.error(Error(ErrorCode::invalid_request,
                                     "open_max must be between 1 and " + std::to_string(kOpenMax)));
    const auto found = find_subject(request.subject);
    if (!found) return responder.error(found.error());
    RequestPeer& peer = peer_of(session);
    if (peer.servings.contains(request.serve_id))
        return responder.error(ErrorCode::already_subscribed);
    if (peer.servings.size() >= kServingsMax)
        return responder.error(
            Error(ErrorCode::overloaded,
                  "a connection serves at most " + std::to_string(kServingsMax) + " subjects"));
    Subject* subject = *found;
    if (subject == nullptr) {
        auto fresh = std::make_unique<Subject>();
        fresh->name = request.subject;
        subject = subjects_.emplace(request.subject, std::move(fresh)).first->second.get();
    }
    auto serving = std::make_unique<Serving>(Serving{.number = ++last_serving_,
                                                     .peer = &peer,
                                                     .subject = subject,
                                                     .serve_id = request.serve_id,
                                                     .open_max = request.open_max});
    Serving& kept = *peer.servings.emplace(request.serve_id, std::move(serving)).first->second;
    ++responders_;
    subject->servings.push_back(&kept);
    wire::fb::ServeReplyT reply;
    reply.responder = kept.number;
    responder.reply(reply);
    make_ready(kept);
    serve_waiting(*subject);
}

void RequestRouter::on_stop_serving(const wire::fb::StopServingT& request, Session& session,
                                    const Responder& responder) {
    RequestPeer* peer = find_peer(session);
    const auto found =
        peer == nullptr ? decltype(peer->servings.end()){} : peer->servings.find(request.serve_id);
    if (peer == nullptr || found == peer->servings.end() || found->second->stopped)
        return responder.error(
            Error(ErrorCode::unknown_subscription, "the connection serves nothing of that id"));
    Serving& serving = *found->second;
    responder.reply(wire::fb::DoneT{});
    remove_from_subject(serving);
    erase_if_idle(serving);
}

// It gets nothing new. With the last one of a subject go those who wait.
void RequestRouter::remove_from_subject(Serving& serving) {
    Subject& subject = *serving.subject;
    serving.stopped = true;
    --responders_;
    subject.ready.remove(serving);
    std::erase(serving.peer->held_back, &serving);
    std::erase(subject.servings, &serving);
    if (!subject.servings.empty()) return;
    while (!subject.waiting.empty()) {
        auto waiting = subject.waiting.take(core_.config.delivery);
        --waiting_;
        waiting_bytes_ -= waiting.batch.size();
        slots_[waiting.slot].state = State::open;  // in nobody's hands
        ++counters_.no_responders;
        fail(waiting.slot, ErrorCode::no_responders, ErrorCode::no_responders);
    }
    if (subject.open == 0) subjects_.erase(subjects_.find(subject.name));
}

void RequestRouter::erase_if_idle(Serving& serving) {
    if (!serving.stopped || serving.open != 0) return;
    RequestPeer& peer = *serving.peer;
    const auto found = peer.servings.find(serving.serve_id);
    // While its connection ends, its servings go with it.
    if (found != peer.servings.end() && peer.session->open()) peer.servings.erase(found);
}

// ---- handing out --------------------------------------------------------------------------------

void RequestRouter::make_ready(Serving& serving) {
    if (serving.stopped || serving.open >= serving.open_max) return;
    if (ReadyServings::holds(serving)) return serving.subject->ready.moved(serving);
    serving.subject->ready.add(serving);
}

Serving* RequestRouter::next_ready(Subject& subject) {
    while (!subject.ready.empty()) {
        Serving& serving = subject.ready.first();
        const Session& session = *serving.peer->session;
        if (session.open() && !session.congested()) return &serving;
        subject.ready.remove(serving);
        serving.peer->held_back.push_back(&serving);  // until on_writable(), or it is closed
    }
    return nullptr;
}

void RequestRouter::open(std::uint32_t id, Serving& serving) {
    Subject& subject = *serving.subject;
    slots_[id].state = State::open;
    slots_.link(id, serving);
    serving.last_given = ++last_given_;
    handed_on_ = true;
    ++subject.given;
    ++subject.open;
    if (!ReadyServings::holds(serving)) return;
    if (serving.open >= serving.open_max) return subject.ready.remove(serving);
    subject.ready.moved(serving);
}

std::span<const std::byte> RequestRouter::call_body(std::uint32_t id) {
    RequestSlot& slot = slots_[id];
    constexpr std::int64_t ms = 1'000'000;
    const std::int64_t left = (slot.deadline - mono_now()).value() / ms;
    return core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateCall(
            builder, slot.serving->serve_id, slots_.call_number(id),
            static_cast<std::uint32_t>(std::max<std::int64_t>(left, 0)),
            slot.takes_parts ? static_cast<std::uint64_t>(slot.credit_bytes) : 0);
    });
}

std::span<std::byte> RequestRouter::push_call(std::uint32_t id, std::size_t batch_bytes) {
    Session& session = *slots_[id].serving->peer->session;
    return session.send_room(wire::FrameKind::push, wire::Api::call, 0, call_body(id), batch_bytes);
}

void RequestRouter::serve_waiting(Subject& subject) {
    while (!subject.waiting.empty()) {
        Serving* const serving = next_ready(subject);
        if (serving == nullptr) return;
        const auto waiting = subject.waiting.take(core_.config.delivery);
        --waiting_;
        waiting_bytes_ -= waiting.batch.size();
        slots_[waiting.slot].state = State::open;
        if (slots_[waiting.slot].deadline <= mono_now()) {  // as the next tick would have found
            expired(waiting.slot);
            continue;
        }
        open(waiting.slot, *serving);
        const auto room = push_call(waiting.slot, waiting.batch.size());
        if (!room.empty()) std::memcpy(room.data(), waiting.batch.data(), room.size());
    }
}

void RequestRouter::release(std::uint32_t id) {
    Serving& serving = *slots_[id].serving;
    Subject& subject = *serving.subject;
    const bool held_back = !ReadyServings::holds(serving) && serving.open < serving.open_max;
    slots_.unlink(id);
    --subject.open;
    if (serving.stopped) {
        if (subject.servings.empty() && subject.open == 0)
            subjects_.erase(subjects_.find(subject.name));
        return erase_if_idle(serving);
    }
    if (!held_back) make_ready(serving);
    serve_waiting(subject);
}

void RequestRouter::tell_cancelled(std::uint32_t id, ErrorCode why) {
    const Serving& serving = *slots_[id].serving;
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateCallCancelled(builder, serving.serve_id, slots_.call_number(id),
                                             static_cast<std::uint16_t>(why));
    });
    serving.peer->session->send(wire::FrameKind::push, wire::Api::call_cancelled, 0, body);
}

// ---- who looks on -------------------------------------------------------------------------------

void RequestRouter::on_list(const wire::fb::ListServicesT& request,
                            const Responder& responder) const {
    std::vector<const Subject*> found;
    for (const auto& [name, subject] : subjects_)
        if (name.starts_with(request.prefix) && name > request.after)
            found.push_back(subject.get());
    const std::size_t limit =
        request.limit == 0 ? kServicesMax : std::min<std::size_t>(request.limit, kServicesMax);
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(limit, found.size()));
    std::partial_sort(found.begin(), end, found.end(),
                      [](const Subject* a, const Subject* b) { return a->name < b->name; });
    wire::fb::ListServicesReplyT reply;
    reply.more = end != found.end();
    for (auto it = found.begin(); it != end; ++it) {
        auto& row = reply.services.emplace_back(std::make_unique<wire::fb::ServiceSummaryT>());
        row->subject = (*it)->name;
        row->responders = static_cast<std::uint32_t>((*it)->servings.size());
        row->open = static_cast<std::uint32_t>((*it)->open);
        row->waiting = static_cast<std::uint32_t>((*it)->waiting.size());
        row->served = (*it)->given;
    }
    responder.reply(reply);
}

}  // namespace casc::broker
