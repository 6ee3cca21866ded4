#include "load.hpp"

#include "need.hpp"

#include <algorithm>
#include <mutex>

namespace casc::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Of a batch of 256 KiB with 100-byte events ten are timed.
constexpr std::uint64_t kTimedEvery = 256;

std::uint64_t share_of(std::uint64_t all, std::uint32_t parts, std::uint32_t part) {
    return all / parts + (part < all % parts ? 1 : 0);
}

}  // namespace

client::ProducerOptions producer_options(const Options& options) {
    client::ProducerOptions result;
    result.acks = acks_of(options.acks);
    if (options.batch_bytes) result.batch_bytes = *options.batch_bytes;
    if (options.linger)
        result.linger = std::chrono::duration_cast<std::chrono::microseconds>(*options.linger);
    if (options.in_flight_count) {
        result.in_flight_batches = *options.in_flight_count;
        result.in_flight_bytes = *options.in_flight_count * result.batch_bytes;
    }
    if (options.compression == "lz4") result.codec = wire::Codec::lz4;
    return result;
}

// Everything of one producer.
// Thread: made by the caller; `thread` sends; the callbacks run on the client's I/O thread.
struct Load::Sender {
    std::uint32_t number = 0;
    std::optional<std::uint64_t> event_count;
    Payloads payloads;
    Keys keys;
    // Written by the I/O thread, read by the caller.
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> acknowledged{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<Clock::rep> last_acknowledged{0};
    // Owned by the I/O thread until it has ended.
    Histogram latency_ns;
    std::mutex error_mutex;  // cold: only when something fails
    std::string error;
    // The I/O thread, with its callbacks, ends before what they write to.
    std::unique_ptr<client::Client> client;
    std::vector<client::Producer> producers;
    std::thread thread;

    explicit Sender(const LoadPlan& plan) : payloads(plan.payload_bytes), keys(plan.key_count) {}

    void note(const Error& why) {
        const std::lock_guard lock(error_mutex);
        if (error.empty()) error = why.message();
    }
};

Load::Load(const Target& target, LoadPlan plan) : plan_(std::move(plan)) {
    for (std::uint32_t number = 0; number < plan_.producer_count; ++number) {
        auto sender = std::make_unique<Sender>(plan_);
        sender->number = number;
        if (plan_.event_count)
            sender->event_count = share_of(*plan_.event_count, plan_.producer_count, number);
        sender->client = target.connect();
        client::ProducerOptions options = plan_.producer;
        options.on_batch = [raw = sender.get()](const client::Delivery&, std::uint32_t count,
                                                const Result<void>& outcome) {
            (outcome ? raw->acknowledged : raw->failed).fetch_add(count, std::memory_order_relaxed);
            raw->last_acknowledged.store(Clock::now().time_since_epoch().count(),
                                         std::memory_order_relaxed);
            if (!outcome) raw->note(outcome.error());
        };
        for (const std::string& topic : plan_.topics) {
            sender->producers.push_back(
                need(sender->client->make_producer(topic, options), "a producer for " + topic));
        }
        senders_.push_back(std::move(sender));
    }
}

Load::~Load() {
    finish();
}

void Load::start() {
    running_.store(static_cast<std::uint32_t>(senders_.size()), std::memory_order_relaxed);
    for (auto& sender : senders_) {
        sender->thread = std::thread([this, &sender = *sender] {
            run(sender);
            running_.fetch_sub(1, std::memory_order_release);
        });
    }
}

void Load::run(Sender& sender) {
    const auto began = Clock::now();
    const double gap_ns =
        plan_.rate ? 1e9 * plan_.producer_count / static_cast<double>(*plan_.rate) : 0;
    for (std::uint64_t sequence = 0; !stopping_.load(std::memory_order_relaxed); ++sequence) {
        if (sender.event_count && sequence == *sender.event_count) break;
        if (plan_.rate) {
            const auto due = began + std::chrono::nanoseconds(static_cast<std::int64_t>(
                                         static_cast<double>(sequence) * gap_ns));
            if (due > Clock::now()) std::this_thread::sleep_until(due);
        }
        client::Event event;
        event.payload = sender.payloads.next({sequence, sender.number, plan_.run, 0});
        event.key = sender.keys.of(sequence);
        event.lane = plan_.lane;
        client::DeliveryCallback done;
        if (sequence % kTimedEvery == 0 && measuring_.load(std::memory_order_relaxed)) {
            // Two words, so that std::function keeps it in place.
            done = [raw = &sender, sent = Clock::now()](const Result<client::Delivery>& outcome) {
                if (outcome)
                    raw->latency_ns.record(
                        static_cast<std::uint64_t>((Clock::now() - sent).count()));
            };
        }
        client::Producer& producer = sender.producers[sequence % sender.producers.size()];
        if (const auto sent = producer.send(event, std::move(done)); !sent) {
            sender.failed.fetch_add(1, std::memory_order_relaxed);
            sender.note(sent.error());
            break;
        }
    }
}

void Load::drain() {
    stopping_.store(true, std::memory_order_relaxed);
    for (auto& sender : senders_) {
        if (sender->thread.joinable()) sender->thread.join();
        // What does not get through counts as failed through its callback.
        for (client::Producer& producer : sender->producers) {
            if (const auto flushed = producer.flush(); !flushed) sender->note(flushed.error());
        }
    }
}

void Load::finish() {
    drain();
    for (auto& sender : senders_) {
        sender->producers.clear();
        if (sender->client) sender->client->close();
        if (first_error_.empty()) first_error_ = sender->error;
    }
}

std::uint64_t Load::acknowledged() const {
    std::uint64_t sum = 0;
    for (const auto& sender : senders_)
        sum += sender->acknowledged.load(std::memory_order_relaxed);
    return sum;
}

std::uint64_t Load::failed() const {
    std::uint64_t sum = 0;
    for (const auto& sender : senders_)
        sum += sender->failed.load(std::memory_order_relaxed);
    return sum;
}

Clock::time_point Load::last_acknowledged() const {
    Clock::rep latest = 0;
    for (const auto& sender : senders_)
        latest = std::max(latest, sender->last_acknowledged.load(std::memory_order_relaxed));
    return Clock::time_point(Clock::duration(latest));
}

std::vector<std::uint64_t> Load::acknowledged_by_producer() const {
    std::vector<std::uint64_t> counts;
    for (const auto& sender : senders_)
        counts.push_back(sender->acknowledged.load(std::memory_order_relaxed));
    return counts;
}

Histogram Load::latency_ns() const {
    Histogram all;
    for (const auto& sender : senders_)
        all.merge(sender->latency_ns);
    return all;
}

}  // namespace casc::bench
