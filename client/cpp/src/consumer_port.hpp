#pragma once
// client/src/consumer_port.hpp: a consumer as the I/O thread sees it: pushes go into its inbox, its
// requests go out.

#include "core.hpp"
#include "inbox.hpp"

#include <casc/client/options.hpp>
#include <casc/ring/ring.hpp>

#include <deque>
#include <mutex>

namespace casc::client {

// Thread:   send(), grant() and when_ready() any; the rest the I/O thread.
// Lifetime: shared by the consumer and, while attached, the core.
class ConsumerPort final : public Participant, public std::enable_shared_from_this<ConsumerPort> {
public:
    ConsumerPort(std::shared_ptr<Core> core, std::uint32_t subscription, std::string group,
                 std::size_t credit_bytes, ring::RingProducer<InboxItem> inbox);

    // Sends a request if connection number `connection` is still the current one; otherwise it is
    // dropped, since the news of the next connection make the consumer begin again. `done` may be
    // null: then only a failure is told.
    void send(std::uint32_t connection, wire::Api api, std::vector<std::byte> body,
              std::function<void(ConsumerPort&, Result<Reply>)> done = {});
    // Lets the broker push this much more.
    void grant(std::uint32_t connection, std::uint64_t bytes, std::uint64_t events);
    // Calls `done` once when something is put into the inbox.
    void when_ready(std::function<void()> done);
    // Takes back a callback that has not run. False: it has, or is running.
    bool forget_ready();

    // ---- I/O thread ----
    void tell(Notice notice);

    void connected() override;
    void disconnected(const Error& why) override;
    bool pushed(const wire::Frame& frame, const BufferRef& buffer) override;
    bool drain() override;
    bool ready() override { return false; }
    void shut_down() override;

private:
    bool delivered(const wire::Frame& frame, const BufferRef& buffer);
    bool assigned(const wire::Frame& frame);
    void put(InboxItem item);
    void announce();

    // Fixed after construction.
    const std::shared_ptr<Core> core_;
    const std::uint32_t subscription_;
    const std::string group_;
    const std::size_t credit_bytes_;

    // Owned by the I/O thread.
    ring::RingProducer<InboxItem> inbox_;
    std::deque<InboxItem> overflow_;  // behind a full inbox; bounded by the credit
    std::size_t pushed_bytes_ = 0;    // on this connection, not granted again yet
    std::uint32_t connection_ = 0;

    // Cold: one callback, asked for by async_poll.
    std::atomic<bool> wanted_{false};
    std::mutex mutex_;
    std::function<void()> on_ready_;
};

}  // namespace casc::client
