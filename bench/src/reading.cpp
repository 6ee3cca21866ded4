#include "reading.hpp"

#include "need.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

namespace casc::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kReadPatience{
    30};  // without any event, before the rest counts as missing
constexpr milliseconds kLookAgain{100};

// Equal sums over two sets of events mean, together with equal counts, equal sets (but for chance).
std::uint64_t mixed(std::uint32_t producer, std::uint64_t sequence) {
    std::uint64_t x = sequence + (std::uint64_t{producer} << 48) + 0x9E3779B97F4A7C15ull;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
}

std::uint64_t expected_sum(const std::vector<std::uint64_t>& acknowledged) {
    std::uint64_t sum = 0;
    for (std::uint32_t producer = 0; producer < acknowledged.size(); ++producer) {
        for (std::uint64_t sequence = 0; sequence < acknowledged[producer]; ++sequence)
            sum += mixed(producer, sequence);
    }
    return sum;
}

// What the consumers of one read have together.
// Thread: any.
struct Shared {
    explicit Shared(std::uint64_t wanted_count) : wanted(wanted_count) {}

    const std::uint64_t wanted;
    const Clock::time_point began = Clock::now();
    std::atomic<std::uint64_t> events{0};
    std::atomic<std::uint64_t> sum{0};
    std::atomic<std::uint64_t> misplaced{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint32_t> finished_producers{0};  // those whose last event has been seen
    std::atomic<std::int64_t> first_ns{0};
    std::atomic<std::int64_t> last_ns{0};
    std::atomic<bool> done{false};
    std::mutex mutex;
    std::string trouble;

    void note(std::string what) {
        const std::lock_guard lock(mutex);
        if (trouble.empty()) trouble = std::move(what);
    }
};

// Follows the events of the logs that one consumer reads.
// Thread: the consumer's.
class Follower {
public:
    Follower(const ReadPlan& plan, Shared& shared)
        : plan_(plan),
          shared_(shared),
          single_log_(plan.topics.size() * plan.partition_count == 1) {}

    void take(const client::EventBatch& events) {
        std::uint64_t sum = 0;
        std::uint64_t bytes = 0;
        std::uint64_t misplaced = 0;
        for (const client::ReceivedBatch& batch : events.batches()) {
            auto& next = next_of(batch);
            for (std::uint32_t i = batch.first; i < batch.end; ++i) {
                const auto payload = batch.view.payload(i, batch.payloads);
                bytes += payload.size();
                misplaced += take_event(payload, next, sum, batch, i) ? 0 : 1;
            }
        }
        count(events.size(), sum, bytes, misplaced);
    }

    // Where the part begins that was read without a gap, when retention took what was before it.
    struct Tail {
        LogId log;
        Offset begin;
    };
    [[nodiscard]] const std::optional<Tail>& tail() const { return tail_; }

private:
    bool take_event(std::span<const std::byte> payload, std::vector<std::uint64_t>& next,
                    std::uint64_t& sum, const client::ReceivedBatch& batch, std::uint32_t i) {
        if (payload.size() != plan_.payload_bytes) return false;
        const PayloadHead head = head_of(payload);
        if (head.run != plan_.run || head.producer >= next.size()) return false;
        std::uint64_t& due = next[head.producer];
        // In one log nothing may be left out, but by retention, which may still be at work; where a
        // producer feeds several, each has a rising part of its events.
        const bool gapless = single_log_ && !plan_.only_some_acknowledged;
        const bool skips =
            gapless && head.sequence > due && plan_.retained_tail_only && i == batch.first;
        if (skips)
            tail_ = {LogId(batch.topic_id, batch.partition, batch.view.header().lane),
                     batch.view.base_offset() + OffsetDelta(i)};
        const bool in_place = gapless && !skips ? head.sequence == due : head.sequence >= due;
        due = head.sequence + 1;
        sum += mixed(head.producer, head.sequence);
        if (due == plan_.acknowledged[head.producer])
            shared_.finished_producers.fetch_add(1, std::memory_order_relaxed);
        return in_place;
    }

    void count(std::uint64_t events, std::uint64_t sum, std::uint64_t bytes,
               std::uint64_t misplaced) {
        const auto now = (Clock::now() - shared_.began).count();
        std::int64_t none = 0;
        shared_.first_ns.compare_exchange_strong(none, now, std::memory_order_relaxed);
        shared_.sum.fetch_add(sum, std::memory_order_relaxed);
        shared_.bytes.fetch_add(bytes, std::memory_order_relaxed);
        shared_.misplaced.fetch_add(misplaced, std::memory_order_relaxed);
        const std::uint64_t all =
            shared_.events.fetch_add(events, std::memory_order_relaxed) + events;
        const bool complete = plan_.retained_tail_only
                                  ? shared_.finished_producers.load(std::memory_order_relaxed) >=
                                        plan_.acknowledged.size()
                                  : all >= shared_.wanted;
        if (!complete || shared_.done.load(std::memory_order_relaxed)) return;
        shared_.last_ns.store(now, std::memory_order_relaxed);
        shared_.done.store(true, std::memory_order_release);
    }

    // The next sequence due of each producer in the batch's log.
    std::vector<std::uint64_t>& next_of(const client::ReceivedBatch& batch) {
        const LogId log(batch.topic_id, batch.partition, batch.view.header().lane);
        if (log == last_log_ && last_next_ != nullptr) return *last_next_;
        last_log_ = log;
        last_next_ = &next_.try_emplace(log, plan_.acknowledged.size()).first->second;
        return *last_next_;
    }

    const ReadPlan& plan_;
    Shared& shared_;
    const bool single_log_;
    std::unordered_map<LogId, std::vector<std::uint64_t>> next_;
    LogId last_log_;
    std::vector<std::uint64_t>* last_next_ = nullptr;
    std::optional<Tail> tail_;
};

void begin(client::Consumer& consumer, const ReadPlan& plan) {
    if (!plan.group.empty()) return need(consumer.subscribe(plan.topics), "joining the group");
    std::vector<client::Place> places;
    for (const std::string& topic : plan.topics) {
        for (std::uint32_t p = 0; p < plan.partition_count; ++p) {
            places.push_back({topic, PartitionId(p), plan.lane, Offset(0)});
        }
    }
    need(consumer.assign(places), "reading");
}

// Only a lone consumer owns every position.
void check_positions(client::Consumer& consumer, const ReadPlan& plan, Shared& shared) {
    need(consumer.commit(), "committing");
    if (plan.consumer_count != 1 || plan.retained_tail_only) return;
    std::uint64_t sum = 0;
    for (const client::Place& place : need(consumer.committed(), "reading the positions"))
        sum += place.offset.value();
    if (sum != shared.events.load())
        shared.note("the group has committed " + std::to_string(sum) + " events");
}

// What was left out before the tail must have been retention's to take.
void check_tail(client::Client& client, const Follower::Tail& tail, Shared& shared) {
    wire::fb::ListOffsetsT request;
    auto& query = request.queries.emplace_back(std::make_unique<wire::fb::OffsetQueryT>());
    query->topic_id = tail.log.topic().value();
    query->partition = tail.log.partition().value();
    query->lane = static_cast<std::uint8_t>(tail.log.lane());
    query->at = 0;  // the earliest
    const auto reply = need(client.call(request), "asking where the log begins");
    if (Offset(reply.answers.at(0)->offset) < tail.begin)
        shared.misplaced.fetch_add(1, std::memory_order_relaxed);
}

void consume(const Target& target, const ReadPlan& plan, Shared& shared) try {
    const auto client = target.connect();
    client::ConsumerOptions options;
    options.group = plan.group;
    options.auto_commit = !plan.group.empty();
    auto consumer = need(client->make_consumer(options), "a consumer");
    begin(consumer, plan);
    Follower follower(plan, shared);
    auto last_event = Clock::now();
    while (!shared.done.load(std::memory_order_acquire) &&
           Clock::now() - last_event < kReadPatience) {
        const auto events = need(consumer.poll_batches(kLookAgain), "polling");
        if (events.empty()) continue;
        follower.take(events);
        last_event = Clock::now();
    }
    // Nothing may follow the last one.
    const auto more = need(consumer.poll_batches(kLookAgain), "polling");
    if (!more.empty()) follower.take(more);
    if (plan.retained_tail_only && follower.tail()) check_tail(*client, *follower.tail(), shared);
    if (!plan.group.empty()) check_positions(consumer, plan, shared);
    need(consumer.close(), "closing the consumer");
} catch (const std::exception& error) {
    shared.note(error.what());
    shared.done.store(true, std::memory_order_release);
}

}  // namespace

ReadOutcome read_all(const Target& target, const ReadPlan& plan) {
    std::uint64_t wanted = 0;
    for (const std::uint64_t count : plan.acknowledged)
        wanted += count;
    Shared shared(wanted);
    if (wanted > 0) {
        std::vector<std::thread> threads;
        for (std::uint32_t i = 0; i < plan.consumer_count; ++i) {
            threads.emplace_back([&] { consume(target, plan, shared); });
        }
        for (std::thread& thread : threads)
            thread.join();
    }
    ReadOutcome outcome;
    outcome.event_count = shared.events;
    outcome.payload_bytes = shared.bytes;
    outcome.seconds = static_cast<double>(shared.last_ns) / 1e9;
    outcome.seconds_to_first = static_cast<double>(shared.first_ns) / 1e9;
    outcome.misplaced_count = shared.misplaced;
    outcome.trouble = shared.trouble;
    if (plan.retained_tail_only) {
        // Each producer's last event is there; in one log, with everything between it and the first
        // one left.
        outcome.missing_count =
            plan.acknowledged.size() -
            std::min<std::size_t>(plan.acknowledged.size(), shared.finished_producers);
        return outcome;
    }
    if (outcome.event_count < wanted) outcome.missing_count = wanted - outcome.event_count;
    const bool exact = !plan.only_some_acknowledged;
    if (exact && outcome.event_count > wanted)
        outcome.misplaced_count += outcome.event_count - wanted;
    if (exact && outcome.event_count == wanted && shared.sum != expected_sum(plan.acknowledged)) {
        outcome.trouble += "; the events read are not those that were sent";
    }
    return outcome;
}

}  // namespace casc::bench
