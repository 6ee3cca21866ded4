#include "shared_rings.hpp"

#include <casc/broker/logging.hpp>

#include <bit>

namespace casc::broker {

bool SharedRings::are_offered_to(Session& session) const {
    return core_.config.shared_memory.enabled && session.can_pass_descriptors();
}

void SharedRings::on_open(const wire::fb::OpenRingsT& request, Session& session,
                          const wire::FrameHeader& header, const Responder& responder) {
    const auto& settings = core_.config.shared_memory;
    if (!are_offered_to(session))
        return responder.error(Error(ErrorCode::not_supported,
                                     settings.enabled
                                         ? "shared memory is for connections over a Unix socket"
                                         : "shared_memory.enabled is false"));
    if (session.uses_rings())
        return responder.error(Error(ErrorCode::invalid_request, "the connection has its rings"));
    const std::size_t most = settings.ring_bytes;
    const std::size_t ring_bytes =
        request.ring_bytes == 0
            ? most
            : std::clamp(std::bit_ceil(std::size_t{request.ring_bytes}), ring::kRingBytesMin, most);
    const std::size_t memory_bytes = ring::ring_memory_bytes(ring_bytes);
    if (bytes_ + memory_bytes > settings.memory_bytes)
        return responder.error(
            Error(ErrorCode::overloaded, "shared_memory.memory_bytes is used up by " +
                                             std::to_string(connections_.size()) + " connections"));
    auto rings = ring::RingLink::create(ring_bytes, session.bell());
    if (!rings) return responder.error(rings.error());

    wire::fb::OpenRingsReplyT reply;
    reply.layout = ring::RingHeader::kLayout;
    reply.ring_bytes = static_cast<std::uint32_t>(ring_bytes);
    const auto body = core_.encoder.encode(reply);
    std::vector<std::byte> frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, wire::FrameKind::response, header.api, header.correlation_id, body, 0);
    if (const auto moved = session.move_to_rings(*std::move(rings), frame); !moved)
        return responder.error(moved.error());
    if (!session.uses_rings()) return;  // it has gone
    bytes_ += memory_bytes;
    connections_.emplace(session.number(), Connection{memory_bytes});
    log_event(
        LogLevel::debug, "rings_opened",
        {{"peer", session.address()}, {"client", session.client_id}, {"ring_bytes", ring_bytes}});
}

void SharedRings::on_closed(Session& session) {
    const auto found = connections_.find(session.number());
    if (found == connections_.end()) return;
    bytes_ -= found->second.bytes;
    connections_.erase(found);
}

SharedRings::Connection* SharedRings::find(const Session& session) {
    const auto found = connections_.find(session.number());
    return found == connections_.end() ? nullptr : &found->second;
}

void SharedRings::look_at(Session& session) {
    Connection* const connection = find(session);
    if (connection == nullptr) return;
    connection->quiet_sleeps = 0;
    if (std::exchange(connection->looked_at, true)) return;
    session.disarm_rings();
    looked_at_.push_back(session.shared_from_this());
}

bool SharedRings::serve() {
    bool any = false;
    // By index: serving one may add another; those that go are taken out by arm().
    for (std::size_t i = 0; i < looked_at_.size(); ++i) {
        const SessionPtr session = looked_at_[i];
        any = session->serve_rings() || any;
    }
    return any;
}

bool SharedRings::arm() {
    std::erase_if(looked_at_, [](const SessionPtr& session) { return !session->uses_rings(); });
    for (const SessionPtr& session : looked_at_) {
        if (session->arm_rings()) continue;
        // Not disarm(): who comes behind it has not been asked to ring, so nobody may be forgotten.
        for (const SessionPtr& asked : looked_at_)
            asked->disarm_rings();
        return false;
    }
    return true;
}

void SharedRings::disarm() {
    std::erase_if(looked_at_, [this](const SessionPtr& session) {
        Connection* const connection = find(*session);
        if (connection == nullptr) return true;
        if (++connection->quiet_sleeps > kQuietSleepsMax) {
            connection->looked_at = false;  // and stays armed
            return true;
        }
        session->disarm_rings();
        return false;
    });
}

}  // namespace casc::broker
