#include "queue_reading.hpp"

#include "need.hpp"

#include <casc/client/queue_consumer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

namespace casc::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kNothingComes{30};  // without any event
constexpr milliseconds kPollWait{100};

// A bit per event of a producer. Thread: any.
class DoneOnce {
public:
    explicit DoneOnce(std::uint64_t events) : events_(events), words_(events / 64 + 1) {}
    // False when it was done before, or is none of them.
    bool mark(std::uint64_t sequence) {
        if (sequence >= events_) return false;
        const std::uint64_t bit = std::uint64_t{1} << sequence % 64;
        return (words_[sequence / 64].fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
    }

private:
    const std::uint64_t events_;
    std::vector<std::atomic<std::uint64_t>> words_;
};

// What the members have together. Thread: any.
struct Tally {
    explicit Tally(const QueuePlan& plan) {
        for (const std::uint64_t count : plan.acknowledged) {
            done_once.push_back(std::make_unique<DoneOnce>(count));
            wanted += count;
        }
    }
    std::uint64_t wanted = 0;
    const Clock::time_point began = Clock::now();
    std::vector<std::unique_ptr<DoneOnce>> done_once;  // by producer
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> again{0};  // deliveries after the first
    std::atomic<std::uint64_t> misplaced{0};
    std::atomic<bool> failed{false};
    std::mutex mutex;
    std::string trouble;

    void note(std::string what) {
        const std::lock_guard lock(mutex);
        if (trouble.empty()) trouble = std::move(what);
        failed = true;
    }
};

// Thread: its own.
class Member {
public:
    Member(const QueuePlan& plan, Tally& shared, std::uint32_t number)
        : plan_(plan), shared_(shared), random_(number) {}

    void run(const Target& target) {
        const auto client = target.connect();
        client::QueueOptions options;
        options.group = plan_.group;
        options.topics = plan_.topics;
        options.prefetch_events = plan_.prefetch_events;
        options.on_lost = [this](const client::EventId&, const Error& why) {
            shared_.note("an event was lost before it was settled: " + why.message());
        };
        auto queue = need(client->make_queue_consumer(options), "joining the group");
        auto last_event = Clock::now();
        while (shared_.done.load(std::memory_order_relaxed) < shared_.wanted && !shared_.failed &&
               Clock::now() - last_event < kNothingComes) {
            const auto events =
                need(queue.poll(plan_.in_hand_events - in_hand_.size(), kPollWait), "polling");
            take(events);
            if (!events.empty()) last_event = Clock::now();
            // Settled when the hand is full, or nothing more comes.
            if (in_hand_.size() < plan_.in_hand_events && !events.empty()) continue;
            settle(queue);
        }
        need(queue.flush(), "settling");
        need(queue.close(), "leaving the group");
    }

private:
    struct InHand {
        client::EventId id;
        std::uint64_t sequence;
        std::uint32_t producer;
        bool first_time;
        bool ours;
    };

    void take(const client::EventBatch& events) {
        for (const client::ConsumedEvent& event : events) {
            const bool whole = event.event.payload.size() == plan_.payload_bytes;
            const PayloadHead head = whole ? head_of(event.event.payload) : PayloadHead{};
            const bool ours =
                whole && head.run == plan_.run && head.producer < shared_.done_once.size();
            if (!ours) shared_.misplaced.fetch_add(1, std::memory_order_relaxed);
            in_hand_.push_back(
                {event.id(), head.sequence, head.producer, event.attempts == 1, ours});
        }
    }

    void settle(client::QueueConsumer& queue) {
        std::shuffle(in_hand_.begin(), in_hand_.end(), random_);
        std::uint64_t done = 0;
        std::uint64_t refused = 0;
        std::uint64_t again = 0;
        std::uint64_t misplaced = 0;
        for (const InHand& event : in_hand_) {
            again += event.first_time ? 0 : 1;
            if (event.first_time && random_() % plan_.refused_one_in == 0) {
                need(queue.refuse(event.id, "refused by the benchmark", milliseconds(0)),
                     "refusing");
                ++refused;
                continue;
            }
            need(queue.done(event.id), "settling");
            if (!event.ours) continue;
            ++done;
            if (!shared_.done_once[event.producer]->mark(event.sequence)) ++misplaced;
        }
        in_hand_.clear();
        shared_.done.fetch_add(done, std::memory_order_relaxed);
        shared_.refused.fetch_add(refused, std::memory_order_relaxed);
        shared_.again.fetch_add(again, std::memory_order_relaxed);
        shared_.misplaced.fetch_add(misplaced, std::memory_order_relaxed);
    }

    const QueuePlan& plan_;
    Tally& shared_;
    std::minstd_rand random_;
    std::vector<InHand> in_hand_;
};

// The broker's own view: nothing of the group is left to do.
void check_group(const Target& target, const QueuePlan& plan, Tally& shared) {
    const auto client = target.connect();
    wire::fb::DescribeQueueT request;
    request.group = plan.group;
    std::uint64_t settled = 0;
    for (const auto& log : need(client->call(request), "describing the group").logs) {
        settled += log->floor;
        if (log->floor != log->visible_end)
            shared.note("the group has settled " + std::to_string(log->floor) + " of " +
                        std::to_string(log->visible_end) + " events of a log");
    }
    if (settled != shared.wanted)
        shared.note("the group has settled " + std::to_string(settled) + " events");
}

}  // namespace

QueueOutcome work_off(const Target& target, const QueuePlan& plan) {
    Tally shared(plan);
    std::vector<std::thread> threads;
    for (std::uint32_t number = 1; number <= plan.member_count; ++number) {
        threads.emplace_back([&, number] {
            try {
                Member(plan, shared, number).run(target);
            } catch (const std::exception& error) {
                shared.note(error.what());
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    QueueOutcome outcome;
    outcome.seconds = std::chrono::duration<double>(Clock::now() - shared.began).count();
    check_group(target, plan, shared);
    outcome.done_count = shared.done;
    outcome.refused_count = shared.refused;
    outcome.misplaced_count = shared.misplaced;
    if (shared.again != shared.refused)
        outcome.misplaced_count += shared.again > shared.refused ? shared.again - shared.refused
                                                                 : shared.refused - shared.again;
    outcome.missing_count = shared.wanted - std::min(shared.wanted, outcome.done_count);
    outcome.trouble = shared.trouble;
    return outcome;
}

}  // namespace casc::bench
