// The casc side of the `volatile` workload.

#include "need.hpp"
#include "target.hpp"
#include "volatile_run.hpp"

#include <mutex>
#include <thread>

namespace casc::bench {
namespace {

// Threads of one run, and what went wrong in them.
class VolatileThreads {
public:
    template <class Work>
    void start(Work&& work) {
        threads_.emplace_back([this, work = std::forward<Work>(work)] {
            try {
                work();
            } catch (const std::exception& error) {
                const std::lock_guard lock(mutex_);
                if (trouble_.empty()) trouble_ = error.what();
            }
        });
    }
    void join() {
        for (std::thread& thread : threads_)
            thread.join();
        threads_.clear();
    }
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

private:
    std::mutex mutex_;
    std::string trouble_;
    std::vector<std::thread> threads_;
};

client::TapOptions tap_options(const std::string& topic, const VolatilePlan& plan) {
    client::TapOptions options;
    options.topics = {topic};
    options.on_full = client::OnFull::block;
    options.events_max = 1u << 30;  // it is bytes that count here
    options.bytes_max = plan.waiting_bytes;
    options.credit_bytes = plan.waiting_bytes;
    return options;
}

void produce_until(client::Client& client, const std::string& topic, const VolatilePlan& plan,
                   std::uint32_t number, const std::atomic<bool>& stopping) {
    client::ProducerOptions options;
    options.acks = Acks::memory;
    options.batch_bytes = plan.batch_bytes;
    options.in_flight_bytes = plan.in_flight_bytes;
    auto producer = need(client.make_producer(topic, options), "a producer");
    Payloads payloads(plan.payload_bytes);
    Keys keys(plan.key_count);
    for (std::uint64_t sequence = 0; !stopping.load(std::memory_order_relaxed); ++sequence) {
        client::Event event;
        event.payload = payloads.next(volatile_head(plan, number, sequence));
        event.key = keys.of(sequence);
        need(producer.send(event), "sending");
    }
    need(producer.flush(), "flushing");
}

void consume_until(client::Tap& tap, TakenEvents& tally, const std::atomic<bool>& stopping) {
    while (!stopping.load(std::memory_order_relaxed)) {
        const auto events = need(tap.poll_batches(std::chrono::milliseconds(50)), "polling");
        for (const client::ReceivedBatch& batch : events.batches())
            for (std::uint32_t i = batch.first; i < batch.end; ++i)
                tally.take(batch.view.payload(i, batch.payloads));
        tally.publish();
    }
}

}  // namespace

VolatileOutcome run_casc(const Target& target, const std::string& topic, const VolatilePlan& plan,
                         EventBudget& budget) {
    std::atomic<bool> measuring{false};
    std::atomic<bool> producers_stop{false};
    std::atomic<bool> consumers_stop{false};
    std::vector<std::unique_ptr<TakenEvents>> tallies;
    std::vector<std::unique_ptr<client::Client>> clients;
    std::vector<client::Tap> taps;
    for (std::uint32_t i = 0; i < plan.consumer_count; ++i) {
        clients.push_back(target.connect());
        taps.push_back(need(clients.back()->make_tap(tap_options(topic, plan)), "a tap"));
        tallies.push_back(std::make_unique<TakenEvents>(plan, measuring));
    }
    VolatileThreads consumers;
    for (std::uint32_t i = 0; i < plan.consumer_count; ++i)
        consumers.start([&tap = taps[i], &tally = *tallies[i], &consumers_stop] {
            consume_until(tap, tally, consumers_stop);
        });
    VolatileThreads producers;
    for (std::uint32_t i = 0; i < plan.producer_count; ++i) {
        clients.push_back(target.connect());
        producers.start([&client = *clients.back(), &topic, &plan, i, &producers_stop] {
            produce_until(client, topic, plan, i, producers_stop);
        });
    }
    VolatileOutcome outcome;
    outcome.events_per_second = measure_rate(plan, tallies, measuring, &budget);
    producers_stop = true;
    producers.join();
    consumers_stop = true;
    consumers.join();
    taps.clear();
    sum_up(tallies, outcome);
    outcome.trouble = producers.trouble().empty() ? consumers.trouble() : producers.trouble();
    return outcome;
}

}  // namespace casc::bench
