#pragma once
// client/src/inbox_port.hpp: somebody who takes events, as the I/O thread sees it: news go into the
// inbox, requests go out. Which pushes are its own is said by who derives from it.

#include "core.hpp"
#include "inbox.hpp"

#include <casc/ring/ring.hpp>

#include <deque>
#include <mutex>

namespace casc::client {

// Thread:   send(), wait() and when_ready() any; the rest the I/O thread.
// Lifetime: shared by the consumer and, while attached, the core.
class InboxPort : public Participant, public std::enable_shared_from_this<InboxPort> {
public:
    // Sends a request if connection number `connection` is still the current one; otherwise it is
    // dropped, since the news of the next connection make the consumer begin again. `done` may be
    // null: then only a failure is told.
    void send(std::uint32_t connection, wire::Api api, std::vector<std::byte> body,
              std::function<void(InboxPort&, Result<Reply>)> done = {});
    // Waits on `waker`, the inbox's, until it is ready; for who may not drive.
    void wait(ring::Waker& waker, ring::RingConsumer<InboxItem>& inbox,
              std::chrono::nanoseconds limit);
    // Calls `done` once when something is put into the inbox.
    void when_ready(std::function<void()> done);
    // Takes back a callback that has not run. False: it has, or is running.
    bool forget_ready();

    // ---- I/O thread ----
    void tell(Notice notice);

    void connected() override;
    void disconnected(const Error& why) override;
    bool drain() override;
    bool ready() override { return false; }
    bool expects_pushes() const override {
        return waiting_.load(std::memory_order_seq_cst) || wanted_.load(std::memory_order_seq_cst);
    }
    void shut_down() override;

protected:
    InboxPort(std::shared_ptr<Core> core, std::uint32_t subscription,
              ring::RingProducer<InboxItem> inbox);

    void put(InboxItem item);
    // Lets drain() go on when what was behind a full inbox can move up. Any thread.
    void wake_if_behind();
    [[nodiscard]] std::uint32_t connection() const noexcept { return connection_; }

    // Fixed after construction.
    const std::shared_ptr<Core> core_;
    const std::uint32_t subscription_;

private:
    void announce();

    // Owned by the I/O thread.
    ring::RingProducer<InboxItem> inbox_;
    std::deque<InboxItem> overflow_;   // behind a full inbox; bounded by what may be pushed ahead
    std::atomic<bool> behind_{false};  // overflow_ is not empty; read by any thread
    std::uint32_t connection_ = 0;

    std::atomic<bool> waiting_{false};  // in wait()

    // Cold: one callback, asked for by async_poll.
    std::atomic<bool> wanted_{false};
    std::mutex mutex_;
    std::function<void()> on_ready_;
};

}  // namespace casc::client
