#pragma once
// What is known of a producer, and what holds it back: the answer to DescribeProducer.

#include "core.hpp"

#include <functional>
#include <string>
#include <vector>

namespace casc::broker {

// Why the next request of a connection is not looked at.
enum class HeldBy : std::uint8_t {
    nothing = 0,
    storage = 1,   // is behind: memory or the journal is full
    tap = 2,       // a full one that has its producers wait
    answers = 3,   // its own, which it does not take
    shutdown = 4,  // the broker is going
};

// A connection that has produced, or is about to.
struct ProducingConnection {
    SessionPtr session;
    HeldBy held_by = HeldBy::nothing;
};

// Thread: owning shard.
class ProducerApi {
public:
    // The client id of who has the tap that a connection waits for.
    using TapHolder = std::function<std::string(const Session&)>;

    ProducerApi(Core& core, TapHolder tap_holder)
        : core_(core), tap_holder_(std::move(tap_holder)) {}

    void on_describe(const wire::fb::DescribeProducerT& request,
                     const std::vector<ProducingConnection>& connections,
                     const Responder& responder) const;

private:
    [[nodiscard]] std::unique_ptr<wire::fb::KnownProducerT> tell(
        const ProducerTable::Known& known) const;
    [[nodiscard]] std::unique_ptr<wire::fb::ProducingConnectionT> tell(
        const ProducingConnection& connection) const;

    Core& core_;
    TapHolder tap_holder_;
};

}  // namespace casc::broker
