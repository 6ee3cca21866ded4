#pragma once
// client/src/consumer_port.hpp: a consumer of logs as the I/O thread sees it: deliveries within its
// credit, and what its group assigns.

#include "inbox_port.hpp"

#include <string>

namespace casc::client {

// Thread: grant() any; the rest the I/O thread.
class ConsumerPort final : public InboxPort {
public:
    ConsumerPort(std::shared_ptr<Core> core, std::uint32_t subscription, std::string group,
                 std::size_t credit_bytes, ring::RingProducer<InboxItem> inbox);

    // Lets the broker push this much more.
    void grant(std::uint32_t connection, std::uint64_t bytes, std::uint64_t events);

    void connected() override;
    bool pushed(const wire::Frame& frame, const BufferRef& buffer) override;

private:
    bool delivered(const wire::Frame& frame, const BufferRef& buffer);
    bool assigned(const wire::Frame& frame);
    bool matched(const wire::Frame& frame);

    // Fixed after construction.
    const std::string group_;
    const std::size_t credit_bytes_;

    std::size_t pushed_bytes_ = 0;  // on this connection, not granted again yet
};

}  // namespace casc::client
