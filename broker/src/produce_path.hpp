#pragma once
// A batch on its way in: check, deduplicate, append, acknowledge.

#include "core.hpp"
#include "retention.hpp"

namespace casc::broker {

// Thread: owning shard.
class ProducePath {
public:
    ProducePath(Core& core, Retention& retention) : core_(core), retention_(retention) {}

    void on_produce(Session& session, const wire::Frame& frame);
    void on_init_producer(const wire::fb::InitProducerT& request, const Responder& responder);

private:
    struct Accepted {
        Offset base;
        std::uint32_t epoch = 0;
        JournalSequence sequence;
        bool duplicate = false;
    };
    [[nodiscard]] Result<Accepted> accept(const wire::fb::Produce& request,
                                          std::span<const std::byte> attachment, Acks acks);
    [[nodiscard]] Result<Accepted> append(const Core::Place& place, const wire::BatchView& batch);
    void count(const wire::BatchView& batch);

    // volatile_path.cpp
    [[nodiscard]] static Result<void> check_volatile(const Topic& topic, Acks acks);
    [[nodiscard]] Accepted append_volatile(const Core::Place& place, const wire::BatchView& batch);

    // What a ProduceReply says, kept small: it waits in DurableWaits.
    struct Ack {
        Offset base;
        EpochNanos time;
        std::uint32_t epoch;
        bool duplicate;
    };
    static void reply(const Responder& responder, const Ack& ack, Acks level);
    void acknowledge(const Responder& responder, Acks acks, const Accepted& accepted);

    Core& core_;
    Retention& retention_;
};

}  // namespace casc::broker
