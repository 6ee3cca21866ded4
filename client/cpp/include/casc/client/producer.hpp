#pragma once
// casc/client/producer.hpp: sends events to a topic.
//
//   CASC_TRY(auto producer, client->make_producer("orders"));
//   CASC_TRY_VOID(producer.send({.payload = bytes, .key = id, .lane = Lane::high}));
//   CASC_TRY_VOID(producer.close());

#include <casc/client/options.hpp>
#include <casc/types/result.hpp>
#include <casc/wire/batch_builder.hpp>

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace casc::client {

class ProducerImpl;

// What is sent: wire::EventInput's fields, and where to. Only the payload must be given, and only
// what is given costs anything. Everything is copied before send returns.
struct Event {
    std::span<const std::byte> payload;
    std::optional<std::span<const std::byte>> key{};
    Lane lane = Lane::normal;
    // Without one the key decides (as in Kafka), without a key the partition changes from batch to
    // batch.
    std::optional<PartitionId> partition{};
    std::span<const wire::HeaderInput> headers{};
    std::optional<std::array<std::byte, 16>> message_id{};
    std::optional<EpochNanos> timestamp{};
    std::string_view type{};
    std::string_view correlation_id{};
    std::string_view source{};
    std::string_view destination{};
    std::uint32_t schema_version = 0;
    std::uint32_t time_to_live_ms = 0;
    EpochNanos deliver_at{};
};

// Runs where callbacks run (see Client), exactly once per accepted event; must not block.
using DeliveryCallback = std::function<void(Result<Delivery>)>;

// Gathers events into batches, one being filled per partition and lane, and keeps several batches
// of each on their way.
//
// Order: events of one partition and lane keep their order. With options.idempotent (the default)
// that survives retries and reconnects, and none is stored twice. When the broker refuses a batch
// for good (an event too large, say) only that batch fails; those behind it are numbered anew and
// sent. When a batch that may have been stored is given up (delivery_timeout), everything sent
// behind it in its log fails with it, since nobody knows what became of them, and the log goes on
// under a new identity; a producer with a name cannot (it would fence itself) and fails altogether.
// Without idempotence a retried batch may be stored twice and may end up behind later ones.
//
// Bounds: options.in_flight_bytes counts from acceptance to acknowledgement; nothing queues beyond
// it. Partitions: those that the topic has when the producer is made.
//
// Thread:   any. The fastest way is one producer per sending thread. flush() and close() not from a
// callback. Lifetime: the destructor closes with options.close_linger.
class Producer {
public:
    explicit Producer(std::shared_ptr<ProducerImpl> impl);  // see Client::make_producer
    ~Producer();
    Producer(Producer&&) noexcept = default;
    Producer& operator=(Producer&&) noexcept;

    // Accepts the event or refuses it at once; never waits. After a refusal nothing was added and
    // `done` is not called. Fails with: queue_full (in_flight_bytes is reached), event_too_large,
    // unknown_partition, invalid_request, cancelled (closed), producer_fenced.
    [[nodiscard]] Result<void> try_send(const Event& event, DeliveryCallback done = {});
    // The same, but waits for room until `deadline` (default: options.delivery_timeout), then fails
    // with queue_full.
    [[nodiscard]] Result<void> send(const Event& event, DeliveryCallback done = {},
                                    std::optional<milliseconds> deadline = {});
    // send() whose outcome, a refusal included, is the future's.
    [[nodiscard]] std::future<Result<Delivery>> send_future(const Event& event);

    // Sends what waits for its linger and waits until everything accepted so far is delivered or
    // has failed (each event's callback says which). Fails with: timeout.
    [[nodiscard]] Result<void> flush(std::optional<milliseconds> deadline = {});
    // The same without waiting; `done` runs where callbacks run, see Client.
    void flush_async(std::function<void(Result<void>)> done);

    // Takes no more events, flushes for at most `linger` (default: options.close_linger) and fails
    // what is left with cancelled. Fails with timeout when something was left.
    Result<void> close(std::optional<milliseconds> linger = {});

    // Events can be accepted again after a queue_full: `done` runs once on the I/O thread (or at
    // once).
    void when_room(std::function<void()> done);

    [[nodiscard]] std::uint32_t partitions() const noexcept;
    [[nodiscard]] TopicId topic_id() const noexcept;
    // Accepted and not yet settled.
    [[nodiscard]] std::size_t in_flight_bytes() const noexcept;

private:
    std::shared_ptr<ProducerImpl> impl_;
};

}  // namespace casc::client
