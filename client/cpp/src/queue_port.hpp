#pragma once
// client/src/queue_port.hpp: a member of a queue group as the I/O thread sees it. It also keeps the
// member's leases alive while the member's own thread is busy with an event.

#include "inbox_port.hpp"

namespace casc::client {

// A member that hangs (see QueueOptions::hold_max) loses its leases when they run out, and after
// that its place in the group, so that no more is leased to it; it is told and joins again when it
// goes on.
//
// Thread: keep_alive() and took() the member's; the rest the I/O thread.
class QueuePort final : public InboxPort {
public:
    QueuePort(std::shared_ptr<Core> core, std::uint32_t subscription, std::size_t prefetch_bytes,
              ring::RingProducer<InboxItem> inbox);

    // Leases are renewed until then, while the member holds events or some wait for it.
    void keep_alive(SteadyTime until, std::size_t held) noexcept {
        alive_until_.store(until, std::memory_order_relaxed);
        held_.store(held, std::memory_order_relaxed);
    }
    // So much of what was pushed has been handed out or dropped.
    void took(std::size_t bytes) {
        taken_.fetch_add(bytes, std::memory_order_relaxed);
        wake_if_behind();
    }

    // The group has taken us in: leases run out after `lease` unless they are renewed.
    void joined(milliseconds lease);
    // Nothing is renewed any more, for good.
    void stop();

    void disconnected(const Error& why) override;
    bool pushed(const wire::Frame& frame, const BufferRef& buffer) override;
    void shut_down() override;

private:
    void renew_later();
    void renew();
    void leave();

    // Fixed after construction.
    const std::size_t prefetch_bytes_;

    // Shared.
    std::atomic<SteadyTime> alive_until_{SteadyTime{}};
    std::atomic<std::size_t> held_{0};
    std::atomic<std::uint64_t> taken_{0};

    // Owned by the I/O thread.
    Timer renewal_;
    milliseconds lease_{};
    std::uint64_t pushed_ = 0;             // bytes
    std::optional<SteadyTime> lapsed_at_;  // nothing is renewed since then: the member hangs
    bool leaving_ = false;                 // what is still pushed is nobody's
    bool stopped_ = false;
};

}  // namespace casc::client
