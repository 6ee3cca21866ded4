#pragma once
// The connections that go through shared memory: how one gets there, and who looks at their rings
// when.
//
// A ring is memory: nothing wakes the loop when bytes come, unless the other side has been asked to
// ring. To be asked costs it a system call each time, so while the loop is awake it looks by
// itself, once a turn, at the rings of those that have been busy lately, and asks them only before
// it sleeps. Whoever has had nothing for some sleeps stays asked and is looked at no more until it
// rings: many idle connections cost nothing.

#include "core.hpp"
#include "session.hpp"

namespace casc::broker {

// Thread: owning shard.
class SharedRings {
public:
    explicit SharedRings(Core& core) : core_(core) {}

    // Whether OpenRings may be asked for on this connection.
    [[nodiscard]] bool are_offered_to(Session& session) const;
    void on_open(const wire::fb::OpenRingsT& request, Session& session,
                 const wire::FrameHeader& header, const Responder& responder);
    void on_closed(Session& session);

    // `session` waits for bytes or room: it is looked at from now on.
    void look_at(Session& session);
    // One look at each; true when there was something.
    bool serve();
    // Before and after a sleep. False: there is something to serve, do not sleep; then nobody has
    // been asked.
    [[nodiscard]] bool arm();
    void disarm();

    [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    struct Connection {
        std::size_t bytes;
        bool looked_at = false;
        unsigned quiet_sleeps = 0;
    };
    static constexpr unsigned kQuietSleepsMax = 8;

    [[nodiscard]] Connection* find(const Session& session);

    Core& core_;
    std::unordered_map<std::uint64_t, Connection> connections_;
    std::vector<SessionPtr> looked_at_;
    std::size_t bytes_ = 0;
};

}  // namespace casc::broker
