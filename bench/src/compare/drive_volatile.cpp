// `volatile`: publishers, and subscribers that get everything. The brokers would drop what a
// subscriber is too slow for, so publishers stay within a window of the slowest one.

#include "crew.hpp"
#include "drive.hpp"
#include "timed_sample.hpp"
#include "volatile_case.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

namespace casc::bench::compare {
namespace {

using Clock = std::chrono::steady_clock;
using Tallies = std::vector<std::unique_ptr<TakenEvents>>;

// Nobody who works takes longer to deliver what is on its way.
constexpr std::chrono::seconds kDeliveryPatience{30};

std::uint64_t least_taken(const Tallies& tallies) {
    std::uint64_t least = ~std::uint64_t{0};
    for (const auto& tally : tallies)
        least = std::min(least, tally->count());
    return least;
}

// What publishers and subscribers of one run share.
class Exchange {
public:
    Exchange(const VolatilePlan& plan, std::uint64_t window, const Tallies& tallies)
        : plan_(plan), window_(window), tallies_(tallies) {}

    void publish(Writer& writer, std::uint32_t number) {
        Payloads payloads(plan_.payload_bytes);
        std::uint64_t sequence = 0;
        const std::uint64_t block = std::min(writer.block_events(), window_);
        // The first needs no look at the window, so that there is something to prove in any case.
        reserved_.fetch_add(block, std::memory_order_relaxed);
        do {
            for (std::uint64_t i = 0; i < block; ++i, ++sequence)
                writer.put(payloads.next(volatile_head(plan_, number, sequence)));
            writer.send();
            writer.poll();
        } while (has_room_for(block));
        sent_.fetch_add(sequence, std::memory_order_relaxed);  // read after a join
    }
    // Until all that was sent is here, or one event is out of place: then nothing helps any more.
    void take(Reader& reader, TakenEvents& tally) {
        const Take take_one = [&](std::span<const std::byte> payload) { tally.take(payload); };
        std::uint64_t taken = 0;
        for (auto last = Clock::now(); tally.count() < expected_.load(std::memory_order_acquire);) {
            reader.receive(take_one);
            tally.publish();
            if (tally.misplaced() > 0) return;
            if (std::exchange(taken, tally.count()) != tally.count()) last = Clock::now();
            if (Clock::now() - last > kDeliveryPatience)
                throw std::runtime_error("nothing comes any more after " + std::to_string(taken) +
                                         " of the events that were sent");
        }
    }

    void stop_publishers() { publishers_stop_.store(true, std::memory_order_relaxed); }
    // Every publisher has ended: nothing but what it has sent is still to come.
    void expect_what_was_sent() { expected_.store(sent_.load(), std::memory_order_release); }
    void expect_nothing() { expected_.store(0, std::memory_order_release); }
    [[nodiscard]] std::uint64_t sent() const { return sent_.load(); }

private:
    // Places in the window go to publishers in the order in which they ask. False: it is over.
    bool has_room_for(std::uint64_t block) {
        const std::uint64_t end = reserved_.fetch_add(block, std::memory_order_relaxed) + block;
        while (!publishers_stop_.load(std::memory_order_relaxed)) {
            if (end <= least_taken(tallies_) + window_) return true;
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        return false;
    }

    // Fixed after construction.
    const VolatilePlan& plan_;
    const std::uint64_t window_;
    const Tallies& tallies_;
    // Written by the publishers.
    std::atomic<std::uint64_t> reserved_{0};
    std::atomic<std::uint64_t> sent_{0};
    // Written by who runs them.
    std::atomic<bool> publishers_stop_{false};
    std::atomic<std::uint64_t> expected_{~std::uint64_t{0}};
};

// Lets both sides go when their run is left early, as when a thread cannot be started: whoever
// joins them would wait for ever. Behind a run that has ended it changes nothing.
class EndOfExchange {
public:
    explicit EndOfExchange(Exchange& exchange) : exchange_(exchange) {}
    ~EndOfExchange() {
        exchange_.stop_publishers();
        exchange_.expect_nothing();
    }
    EndOfExchange(const EndOfExchange&) = delete;
    EndOfExchange& operator=(const EndOfExchange&) = delete;

private:
    Exchange& exchange_;
};

// That each got everything of everybody once and in order: nothing was out of place, and there are
// as many as were sent.
void check_complete(const Tallies& tallies, std::uint64_t sent) {
    for (const auto& tally : tallies) {
        if (tally->misplaced() > 0)
            throw std::runtime_error(std::to_string(tally->misplaced()) + " events misplaced");
        if (tally->count() != sent)
            throw std::runtime_error(std::to_string(sent) + " events were sent, " +
                                     std::to_string(tally->count()) + " have come");
    }
}

}  // namespace

Sample drive_volatile(const std::vector<std::unique_ptr<Writer>>& writers,
                      const std::vector<std::unique_ptr<Reader>>& readers, const Case& asked) {
    const VolatilePlan plan = volatile_plan_of(asked);
    std::atomic<bool> measuring{false};
    Tallies tallies;
    for (std::size_t i = 0; i < readers.size(); ++i)
        tallies.push_back(std::make_unique<TakenEvents>(plan, measuring));
    Exchange exchange(plan, std::max<std::uint64_t>(1, plan.window_bytes / plan.payload_bytes),
                      tallies);
    Crew subscribers;
    Crew publishers;
    const EndOfExchange end(exchange);  // before the crews join
    for (std::size_t i = 0; i < readers.size(); ++i)
        subscribers.start([&, i] { exchange.take(*readers[i], *tallies[i]); });
    for (std::uint32_t i = 0; i < writers.size(); ++i)
        publishers.start([&, i] { exchange.publish(*writers[i], i); });
    VolatileOutcome outcome;
    outcome.events_per_second = measure_rate(plan, tallies, measuring);
    exchange.stop_publishers();
    publishers.join();
    if (publishers.has_failed())
        exchange.expect_nothing();
    else
        exchange.expect_what_was_sent();
    subscribers.join();
    publishers.rethrow();
    subscribers.rethrow();
    check_complete(tallies, exchange.sent());
    sum_up(tallies, outcome);
    return timed_sample(outcome.events_per_second, outcome.latency_ns);
}

}  // namespace casc::bench::compare
