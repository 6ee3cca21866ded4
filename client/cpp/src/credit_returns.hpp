#pragma once
// client/src/credit_returns.hpp: gives the broker back, some at a time, the credit of what was
// handed out.

#include "consumer_port.hpp"

namespace casc::client {

// Thread:   the consumer's.
// Lifetime: the port must outlive it.
class CreditReturns {
public:
    static constexpr std::uint64_t kEvents = 1u << 20;  // that may be pushed ahead

    CreditReturns(ConsumerPort& port, std::size_t credit_bytes) noexcept
        : port_(port), credit_bytes_(credit_bytes) {}

    // Everything was granted anew on connection number `connection`; 0: there is none.
    void begin(std::uint32_t connection) noexcept {
        connection_ = connection;
        bytes_ = events_ = deliveries_ = 0;
    }
    // A delivery's batch is handed out or dropped.
    void used(std::size_t bytes, std::uint32_t events) {
        bytes_ += bytes;
        events_ += events;
        if (bytes_ >= credit_bytes_ / kParts || events_ >= kEvents / kParts) grant();
    }
    void delivery_used() {
        if (++deliveries_ >= kDeliveries) grant();
    }

private:
    // One grant per this part of the credit: few frames, and the broker never runs dry.
    static constexpr std::size_t kParts = 4;
    // Also after this many deliveries, however small: a grant is what lets a full inbox be filled
    // again.
    static constexpr unsigned kDeliveries = 1024;

    void grant() {
        if (connection_ != 0 && bytes_ != 0) port_.grant(connection_, bytes_, events_);
        bytes_ = events_ = deliveries_ = 0;
    }

    ConsumerPort& port_;
    const std::size_t credit_bytes_;
    std::uint32_t connection_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t events_ = 0;
    unsigned deliveries_ = 0;
};

}  // namespace casc::client
