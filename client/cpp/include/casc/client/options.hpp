#pragma once
// casc/client/options.hpp: everything a user of the client can set, with the defaults.

#include <casc/client/event_batch.hpp>
#include <casc/types/result.hpp>
#include <casc/types/units.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::client {

using std::chrono::milliseconds;

enum class ConnectionEvent : std::uint8_t { connected, lost, reconnecting, failed_over, closed };

// Whether a client could be given it. Fails with: invalid_config, with what is wrong.
[[nodiscard]] Result<void> check_endpoint(std::string_view text);

struct ClientOptions {
    // Tried in order: "host:port", "tcp://host:port", "unix:///path", "shm:///path" or
    // "inproc://name". The first is the primary; after a fail-over the client keeps trying to get
    // back to it.
    //   shm:///path    the broker's Unix socket, for rings in memory that both processes share; an
    //                  endpoint of a broker that does not offer that fails with not_supported
    //   inproc://name  a broker that runs in this very process and listens there
    std::vector<std::string> endpoints{"127.0.0.1:7440"};
    std::string client_id = "casc-cpp";
    milliseconds connect_timeout{5000};
    // connect(): keep trying until connect_timeout, instead of failing when every endpoint has
    // refused once.
    bool wait_for_broker = false;
    milliseconds request_timeout{30000};  // deadline of a call that names none
    // Delay before reconnect or retry n: min(first * 2^n, max), times a random factor in [0.5, 1).
    milliseconds backoff_first{50};
    milliseconds backoff_max{5000};
    // Called on the client's thread; must not block.
    std::function<void(ConnectionEvent, const std::string& endpoint, const Error* why)>
        on_connection;
};

// Where an event went. `offset` means nothing with Acks::none: nobody has said it.
struct Delivery {
    PartitionId partition;
    Lane lane = Lane::normal;
    Offset offset;
    Acks level = Acks::none;  // the level that was reached
    EpochNanos append_time;
    bool duplicate = false;         // the broker had it already: an earlier answer was lost, or its
                                    // message id was known
    std::uint64_t schedule_id = 0;  // it waits under this number for Event::deliver_at, and has no
                                    // offset yet
};

struct ProducerOptions {
    Acks acks = Acks::durable;
    bool idempotent = true;  // no duplicates and no reordering through retries
    std::string name{};  // a producer with a name keeps its identity over restarts and fences older
                         // instances
    // Four of them fill a journal entry of the broker.
    std::size_t batch_bytes = 255_KiB;
    std::chrono::microseconds linger{1000};  // how long a batch that is not full may wait for more
    // Unacknowledged bytes over all partitions; beyond it try_send refuses and send waits. What is
    // in flight waits for its turn: at 500 MB/s 4 MiB are 8 ms of latency, and enough to keep the
    // journal busy.
    std::size_t in_flight_bytes = 4_MiB;
    unsigned in_flight_batches = 64;  // per partition and lane
    wire::Codec codec = wire::Codec::none;
    std::size_t compress_bytes_min = 1024;
    milliseconds delivery_timeout{
        120000};                      // from sealing a batch to giving it up, retries included
    milliseconds close_linger{5000};  // how long the destructor waits for what is on its way
    // Told about every batch, whatever callbacks its events have: the first event's delivery and
    // the count, or why none of them was delivered (then `first` says only partition and lane).
    // Runs where callbacks run, see Client; must not block.
    std::function<void(const Delivery& first, std::uint32_t count, const Result<void>& outcome)>
        on_batch{};
};

enum class Reset : std::uint8_t { earliest, latest, error };
enum class Order : std::uint8_t { priority = 0, arrival = 1 };

struct ConsumerOptions {
    std::string group{};        // empty: no group; assign partitions yourself
    std::string instance_id{};  // static membership
    Reset reset =
        Reset::earliest;  // where to begin without a committed position, or when it is gone
    Order order = Order::arrival;
    bool auto_commit = true;
    milliseconds auto_commit_interval{1000};
    milliseconds session_timeout{30000};
    milliseconds rebalance_timeout{60000};
    std::size_t credit_bytes = 8_MiB;  // how much the broker may push ahead of poll()
    std::size_t deliver_bytes_max = 1_MiB;
    // Only events that match are handed out; the broker leaves out the others, and the position
    // moves on over them. Empty: all. The language is in docs/protocol.md, "Filters":
    //   type == "order.created" && header.region in ("eu", "us") && json.amount >= 100
    std::string filter{};
};

enum class TapStart : std::uint8_t {
    now = 0,          // with what comes from now on
    last_events = 1,  // of volatile topics: with the last TapOptions::last_events events
    last_per_key = 2  // of volatile topics: with the last event of each key
};

// What becomes of events when as many wait for a tap at the broker as its marks say.
enum class OnFull : std::uint8_t {
    drop_oldest = 0,
    drop_newest = 1,
    conflate = 2,  // keep the last event of each key; those without one count as having the same
    block = 3      // whoever produces to the topics waits
};

struct TapOptions {
    // All their partitions and lanes. Names, or patterns ("orders.*", "orders.>"), which follow
    // topics that come later.
    std::vector<std::string> topics{};
    std::string filter{};  // as in ConsumerOptions
    Order order = Order::arrival;
    TapStart start = TapStart::now;
    std::uint32_t last_events = 0;
    OnFull on_full = OnFull::drop_oldest;
    // The marks: of what waits at the broker, beside what was pushed ahead already.
    std::uint32_t events_max = 100'000;
    std::size_t bytes_max = 8_MiB;
    std::string share{};  // taps of one name share what comes: each batch goes to one of them
    std::string peer{};   // of events with a destination only those for this name
    std::size_t credit_bytes = 1_MiB;  // how much the broker may push ahead of poll()
    std::size_t deliver_bytes_max = 256_KiB;
};

enum class QueueOrder : std::uint8_t {
    shared = 0,        // whoever has room
    by_key = 1,        // events of one key one at a time and in order, whoever gets them
    single_active = 2  // the member that joined first; the others stand by
};

// Of a queue group, decided by the member that creates it; what is not set is the broker's default
// (docs/protocol.md, "Queue groups").
struct QueueSettings {
    std::optional<milliseconds> lease;            // a member's time for an event
    std::optional<std::uint32_t> deliveries_max;  // then it becomes a dead letter; 0: no bound
    std::optional<milliseconds> retry_delay;      // of a refused event, times its deliveries ...
    std::optional<milliseconds> retry_delay_max;  // ... but no longer than this
    std::optional<std::uint32_t> in_flight_events_max;  // of the whole group
    QueueOrder order = QueueOrder::shared;
    std::string dead_letter_topic;  // empty: the group's name and ".dead"
    bool bury_expired = false;      // events that outlived their time to live become dead letters
};

struct QueueOptions {
    std::string group;
    std::vector<std::string> topics;  // names, or patterns, which follow topics that come later
    std::string filter{};    // as in ConsumerOptions, of the whole group: what does not match is
                             // settled without being delivered
    QueueSettings settings;  // if this member creates the group
    Reset start = Reset::earliest;  // and where the group begins then; `error` is not for queues
    // Leased to this member and not settled, in its hands or on their way to them.
    std::uint32_t prefetch_events = 1000;
    std::size_t prefetch_bytes = 8_MiB;
    // Verdicts are sent together: so many at most (or a quarter of prefetch_events, if that is
    // less), after this time at the latest at the next call, and always before poll() waits.
    std::uint32_t settle_events = 4096;
    milliseconds settle_linger{1};
    // Leases are renewed for as long as the program polls or settles something at least this often.
    // An event that it keeps for longer than this (but no longer than twice as long) is refused in
    // its place.
    milliseconds hold_max{std::chrono::minutes(30)};
    // Told, inside poll(), flush() or close(), of events that were lost before they were settled,
    // or too late: they come again, to this member or another one. Must not use the consumer.
    std::function<void(const EventId&, const Error& why)> on_lost;
};

}  // namespace casc::client
