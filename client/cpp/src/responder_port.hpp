#pragma once
// client/src/responder_port.hpp: a responder as the I/O thread sees it: requests go into the inbox,
// answers go out.

#include "inbox_port.hpp"

namespace casc::client {

// Answers are held for a moment, so that those which are given one after the other leave together.
//
// Thread: hold(), send_held(), took() any; the rest the I/O thread.
class ResponderPort final : public InboxPort {
public:
    ResponderPort(std::shared_ptr<Core> core, std::uint32_t serve_id, std::uint32_t open_max,
                  ring::RingProducer<InboxItem> inbox);

    // Puts a frame for connection number `connection` behind those that are held; the bytes of all
    // of them. They leave within milliseconds if Core::is_shared(), else with send_held() only.
    std::size_t hold(std::uint32_t connection, std::span<const std::byte> frame,
                     std::span<const std::byte> batch, SteadyTime now);
    // Sends what is held: at once, if nobody else has the turn.
    void send_held();
    // So many requests have been taken out of the inbox.
    void took(std::size_t calls) {
        taken_.fetch_add(calls, std::memory_order_relaxed);
        wake_if_behind();
    }

    bool pushed(const wire::Frame& frame, const BufferRef& buffer) override;
    bool drain() override;
    [[nodiscard]] bool expects_more_soon() const override { return true; }
    bool needs_looks() const override { return true; }
    bool ready() override { return urgent_.load(std::memory_order_seq_cst); }

private:
    bool called(InboxItem item);
    void write(Link& link);

    // Fixed after construction.
    const std::uint32_t open_max_;

    // Shared.
    std::atomic<std::uint64_t> taken_{0};
    std::atomic<bool> urgent_{false};
    std::atomic<SteadyTime> held_since_{SteadyTime::max()};
    std::mutex mutex_;  // of the two below; nothing but try_lock of the turn is waited for in it
    std::vector<std::byte> held_;
    std::uint32_t held_for_ = 0;  // connection

    // Owned by the I/O thread.
    std::uint64_t pushed_ = 0;
};

}  // namespace casc::client
