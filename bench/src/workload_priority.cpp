// The `priority` workload: does a backlog of low events hold up a critical one? A consumer that has
// something to do for each event reads a topic's lanes by urgency, first with nothing in the low
// one, then with more there than it will get through; critical events come at a steady pace, an
// open loop as in `e2e`. Then both lanes have a backlog: what share the low one still gets.

#include "describe_times.hpp"
#include "filling.hpp"
#include "host.hpp"
#include "load.hpp"
#include "need.hpp"
#include "pacing.hpp"
#include "target.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

namespace casc::bench {
namespace {

namespace json = boost::json;
using Clock = Pacing::Clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::chrono::seconds kCriticalPatience{30};
constexpr microseconds kWork{10};  // of the consumer, for each event

struct PriorityPlan {
    std::size_t payload_bytes = 0;
    std::uint32_t run = 0;
    std::uint64_t backlog_count = 0;   // of low events that must be there until the end
    std::uint64_t critical_count = 0;  // measured
    std::uint64_t warm_up_count = 0;   // of them before
    nanoseconds gap{};
    client::ProducerOptions producer;
};

struct PriorityOutcome {
    Histogram latency_ns;
    std::uint64_t low_count = 0;  // received meanwhile
    std::uint64_t misplaced = 0;
    double seconds = 0;
    std::string trouble;
};

std::string make_topic(const Target& target, const std::string& prefix) {
    return create_topics(*target.connect(), {.prefix = prefix, .durability = Durability::memory})
        .front();
}

void fill(const Target& target, const PriorityPlan& plan, const std::string& topic, Lane lane,
          std::uint64_t count) {
    LoadPlan load_plan;
    load_plan.topics = {topic};
    load_plan.payload_bytes = plan.payload_bytes;
    load_plan.event_count = count;
    load_plan.lane = lane;
    load_plan.run = plan.run;
    load_plan.producer = plan.producer;
    load_plan.producer.linger = client::ProducerOptions().linger;  // only the measured ones hurry
    load_plan.producer.acks = Acks::memory;
    Load load(target, load_plan);
    send_everything(load, count, "priority");
}

client::Consumer reader(client::Client& client, const std::string& topic) {
    client::ConsumerOptions options;
    options.auto_commit = false;
    options.order = client::Order::priority;
    auto consumer = need(client.make_consumer(options), "a consumer");
    std::vector<client::Place> places;
    for (const Lane lane : kLanes)
        places.push_back({topic, PartitionId(0), lane, Offset(0)});
    need(consumer.assign(places), "reading");
    return consumer;
}

void work() {
    const auto until = Clock::now() + kWork;
    while (Clock::now() < until) {
    }
}

// One event at a time: what has been taken is worked on before anything more urgent is seen.
void receive_all(client::Consumer& consumer, const PriorityPlan& plan, PriorityOutcome& outcome,
                 std::atomic<std::uint64_t>& low_count, std::atomic<bool>& has_begun) {
    const std::uint64_t expected = plan.warm_up_count + plan.critical_count;
    std::uint64_t critical_count = 0;
    auto last_critical = Clock::now();
    while (critical_count < expected && Clock::now() - last_critical < kCriticalPatience) {
        const auto events = need(consumer.poll(1, milliseconds(100)), "polling");
        for (const client::ConsumedEvent& consumed : events) {
            const auto now = Clock::now();
            if (consumed.event.lane != Lane::critical) {
                if (low_count.fetch_add(1, std::memory_order_relaxed) == 0) {
                    has_begun.store(true);
                    has_begun.notify_one();
                }
            } else {
                last_critical = now;
                const PayloadHead head = head_of(consumed.event.payload);
                if (head.run != plan.run || head.sequence != critical_count) ++outcome.misplaced;
                ++critical_count;
                if (head.sequence >= plan.warm_up_count)
                    outcome.latency_ns.record(
                        static_cast<std::uint64_t>(now.time_since_epoch().count() - head.intended));
            }
            work();
        }
    }
    outcome.misplaced += expected - critical_count;
}

// Sends the critical events while a consumer reads the topic; from when it has found the low ones,
// if there are any.
PriorityOutcome measure(const Target& target, const PriorityPlan& plan, const std::string& topic,
                        bool has_low) {
    const auto sending = target.connect();
    const auto receiving = target.connect();
    client::ProducerOptions options = plan.producer;
    options.acks = Acks::memory;
    auto producer = need(sending->make_producer(topic, options), "a producer");
    auto consumer = reader(*receiving, topic);
    PriorityOutcome outcome;
    std::atomic<std::uint64_t> low_count{0};
    std::string receiver_trouble;
    std::atomic<bool> has_begun{false};  // to get low events, or has ended
    std::thread receiver([&] {
        try {
            receive_all(consumer, plan, outcome, low_count, has_begun);
        } catch (const std::exception& error) {
            receiver_trouble = error.what();
        }
        has_begun.store(true);
        has_begun.notify_one();
    });
    try {
        Pacing pacing;
        if (has_low) has_begun.wait(false);
        Payloads payloads(plan.payload_bytes);
        const auto began = Clock::now() + milliseconds(10);
        const std::uint64_t low_before = low_count.load();
        for (std::uint64_t sequence = 0; sequence < plan.warm_up_count + plan.critical_count;
             ++sequence) {
            const auto intended = began + plan.gap * static_cast<std::int64_t>(sequence);
            pacing.wait_until(intended);
            client::Event event;
            event.lane = Lane::critical;
            event.payload =
                payloads.next({sequence, 0, plan.run, intended.time_since_epoch().count()});
            need(producer.send(event), "sending");
        }
        need(producer.flush(), "flushing");
        outcome.low_count = low_count.load() - low_before;
        outcome.seconds = std::chrono::duration<double>(Clock::now() - began).count();
    } catch (const std::exception& error) {
        outcome.trouble = error.what();
    }
    receiver.join();
    if (outcome.trouble.empty()) outcome.trouble = receiver_trouble;
    return outcome;
}

// Of what a consumer gets while both lanes have something waiting, the part that is low.
double low_share_under_flood(const Target& target, const PriorityPlan& plan, std::uint64_t each) {
    const std::string topic = make_topic(target, "priority-flood");
    fill(target, plan, topic, Lane::low, each);
    fill(target, plan, topic, Lane::critical, each);
    const auto client = target.connect();
    auto consumer = reader(*client, topic);
    std::uint64_t critical = 0;
    std::uint64_t low = 0;
    // Not to the end: what is waiting must still be both.
    while (critical < each / 10 * 9) {
        const auto events = need(consumer.poll(100, kCriticalPatience), "polling");
        if (events.empty()) throw std::runtime_error("no event for too long");
        for (const client::ConsumedEvent& consumed : events)
            ++(consumed.event.lane == Lane::low ? low : critical);
    }
    return static_cast<double>(low) / static_cast<double>(low + critical);
}

json::object describe(const PriorityOutcome& outcome) {
    json::object object = describe(outcome.latency_ns);
    object["low_events_per_second"] = static_cast<double>(outcome.low_count) / outcome.seconds;
    object["misplaced"] = outcome.misplaced;
    if (!outcome.trouble.empty()) object["trouble"] = outcome.trouble;
    return object;
}

void run_priority(const Options& options, Report& report) {
    PriorityPlan plan;
    plan.payload_bytes = options.size_bytes.value_or(100);
    if (plan.payload_bytes < kTimedPayloadBytesMin) {
        throw std::runtime_error("--size must be at least " +
                                 std::to_string(kTimedPayloadBytesMin) +
                                 ": every event carries its time");
    }
    const std::uint64_t rate = std::max<std::uint64_t>(1, options.rate.value_or(200));
    plan.critical_count = options.event_count.value_or(1000);
    plan.warm_up_count = std::min(rate, plan.critical_count);
    plan.backlog_count = options.backlog_count;
    plan.gap = nanoseconds(std::chrono::seconds(1)) / static_cast<std::int64_t>(rate);
    plan.run = std::random_device{}();
    plan.producer = producer_options(options);
    if (!options.linger) plan.producer.linger = microseconds(0);  // latency is the question
    report.parameters = {{"payload_bytes", plan.payload_bytes},
                         {"rate", rate},
                         {"events", plan.critical_count},
                         {"warm_up_events", plan.warm_up_count},
                         {"backlog_events", plan.backlog_count},
                         {"work_us_per_event", kWork.count()},
                         {"linger_us", plan.producer.linger.count()}};
    Target target(options, report.parameters);
    print_banner(report);

    // What the consumer can get through meanwhile comes on top.
    const auto running =
        plan.gap * static_cast<std::int64_t>(plan.warm_up_count + plan.critical_count) +
        milliseconds(500);
    const std::uint64_t low_count =
        plan.backlog_count + static_cast<std::uint64_t>(running / kWork);
    const double client_cpu = own_cpu_seconds();
    const double broker_cpu = target.broker_cpu_seconds();
    const PriorityOutcome idle =
        measure(target, plan, make_topic(target, "priority-idle"), /*has_low=*/false);
    const std::string topic = make_topic(target, "priority-backlog");
    fill(target, plan, topic, Lane::low, low_count);
    const PriorityOutcome loaded = measure(target, plan, topic, /*has_low=*/true);
    const double low_share = low_share_under_flood(target, plan, plan.backlog_count / 2);
    report.cpu_seconds = {own_cpu_seconds() - client_cpu, target.broker_cpu_seconds() - broker_cpu};

    const auto median_us = [](const PriorityOutcome& outcome) {
        return static_cast<double>(outcome.latency_ns.percentile(50)) / 1000;
    };
    report.limit.name = "the same with nothing in the low lane, median";
    report.limit.latency_us = median_us(idle);
    report.latency_ns = loaded.latency_ns;
    report.events_per_second = static_cast<double>(rate);
    report.bytes_per_second = static_cast<double>(rate * plan.payload_bytes);
    report.share_of_limit = median_us(loaded) > 0 ? median_us(idle) / median_us(loaded) : 0;
    report.details["idle_us"] = describe(idle);
    report.details["behind_backlog_us"] = describe(loaded);
    report.details["low_left"] = low_count - loaded.low_count;
    report.details["low_share_under_flood"] = low_share;
    for (const PriorityOutcome* outcome : {&idle, &loaded})
        report.error_count += outcome->misplaced + (outcome->trouble.empty() ? 0 : 1);
    report.rss_bytes_max = target.broker_rss_bytes_max();
}

constexpr std::array<std::string_view, 8> kPriorityFlags{
    "--size", "--rate", "--events", "--backlog", "--linger", "--address", "--data-dir", "--set"};

}  // namespace

extern const Workload kPriorityWorkload;
const Workload kPriorityWorkload{"priority", "Does a backlog of low events hold up a critical one?",
                                 kPriorityFlags, run_priority};

}  // namespace casc::bench
