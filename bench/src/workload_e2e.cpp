// The `e2e` workload: how long an event takes from its producer to its consumer. An open loop:
// every event has a moment at which it should be sent, decided beforehand, and its latency counts
// from then, so that a stall delays everything behind it in the numbers as it does in life. One
// topic that is seen at once, then one that is seen when durable.

#include "bystanders.hpp"
#include "describe_times.hpp"
#include "event_budget.hpp"
#include "host.hpp"
#include "limits_disk.hpp"
#include "limits_network.hpp"
#include "load.hpp"
#include "need.hpp"
#include "pacing.hpp"
#include "payload.hpp"
#include "progress.hpp"
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
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::chrono::seconds kEventPatience{30};
constexpr std::chrono::seconds kRelayFor{2};

struct Plan {
    std::string topic;
    std::size_t payload_bytes = 0;
    std::uint32_t run = 0;
    std::uint64_t event_count = 0;
    std::uint64_t warm_up_count = 0;  // the first of them, not recorded
    std::chrono::duration<double, std::nano> gap{};
    Acks acks = Acks::memory;
    client::ProducerOptions producer;
};

struct Outcome {
    Histogram latency_ns;
    Histogram lateness_ns;  // of sending: how far the producer itself was behind its plan
    std::uint64_t received = 0;
    std::uint64_t misplaced = 0;
    double stolen_seconds = 0;  // of processor time, by the host, meanwhile
    CpuSeconds cpu_seconds;
    std::string trouble;
};

void send_all(client::Producer& producer, const Plan& plan, Pacing& pacing, Histogram& lateness) {
    Payloads payloads(plan.payload_bytes);
    const auto began = Clock::now() + milliseconds(10);
    for (std::uint64_t sequence = 0; sequence < plan.event_count; ++sequence) {
        const auto intended = began + std::chrono::duration_cast<nanoseconds>(
                                          plan.gap * static_cast<double>(sequence));
        pacing.wait_until(intended);
        if (sequence >= plan.warm_up_count)
            lateness.record(static_cast<std::uint64_t>((Clock::now() - intended).count()));
        client::Event event;
        event.payload = payloads.next({sequence, 0, plan.run, intended.time_since_epoch().count()});
        need(producer.send(event), "sending");
    }
    need(producer.flush(), "flushing");
}

void receive_all(client::Consumer& consumer, const Plan& plan, Outcome& outcome) {
    auto last_event = Clock::now();
    while (outcome.received < plan.event_count && Clock::now() - last_event < kEventPatience) {
        const auto events = need(consumer.poll_batches(milliseconds(100)), "polling");
        if (events.empty()) continue;
        last_event = Clock::now();
        for (const client::ConsumedEvent& consumed : events) {
            const PayloadHead head = head_of(consumed.event.payload);
            if (head.run != plan.run || head.sequence != outcome.received++) ++outcome.misplaced;
            if (head.sequence < plan.warm_up_count) continue;
            outcome.latency_ns.record(
                static_cast<std::uint64_t>(last_event.time_since_epoch().count() - head.intended));
        }
    }
}

Outcome send_and_receive(const Target& target, const Plan& plan, EventBudget& budget,
                         Counting counting) {
    const auto sending = target.connect();
    const auto receiving = target.connect();
    client::ProducerOptions options = plan.producer;
    options.acks = plan.acks;
    auto producer = need(sending->make_producer(plan.topic, options), "a producer");
    client::ConsumerOptions reading;
    reading.auto_commit = false;
    auto consumer = need(receiving->make_consumer(reading), "a consumer");
    need(consumer.assign({{plan.topic, PartitionId(0), Lane::normal, Offset(0)}}), "reading");
    Outcome outcome;
    // Trying out the timers takes processor time that is no event's, and so does waiting awake. To
    // ask how much is a system call: not where those are counted.
    Pacing pacing(counting == Counting::only_calls ? Awake::uncounted : Awake::counted);
    const double stolen_before = stolen_cpu_seconds();
    budget.start(counting);
    std::string receiver_trouble;
    std::thread receiver([&] {
        try {
            receive_all(consumer, plan, outcome);
        } catch (const std::exception& error) {
            receiver_trouble = error.what();
        }
    });
    try {
        send_all(producer, plan, pacing, outcome.lateness_ns);
    } catch (const std::exception& error) {
        outcome.trouble = error.what();
    }
    receiver.join();
    const auto received = static_cast<double>(outcome.received);
    outcome.cpu_seconds = budget.stop(received, received * static_cast<double>(plan.payload_bytes),
                                      pacing.time_awake());
    outcome.stolen_seconds = stolen_cpu_seconds() - stolen_before;
    if (outcome.trouble.empty()) outcome.trouble = receiver_trouble;
    return outcome;
}

// Of one kind, for both of its runs.
struct Topics {
    std::string measured;
    std::string of_calls;

    Topics(client::Client& client, TopicPlan plan) : measured(create_topics(client, plan).front()) {
        plan.prefix += "-calls";
        of_calls = create_topics(client, plan).front();
    }
};

// Both runs of a topic kind: the second, of a second and in a topic of its own, only counts system
// calls.
Outcome measure(const Target& target, Plan plan, const Topics& topics, EventBudget& budget) {
    plan.topic = topics.measured;
    Outcome outcome = send_and_receive(target, plan, budget, Counting::all_but_calls);
    plan.topic = topics.of_calls;
    plan.event_count = plan.warm_up_count = (plan.warm_up_count + 1) / 2;
    const Outcome counted = send_and_receive(target, plan, budget, Counting::only_calls);
    outcome.misplaced +=
        counted.misplaced + plan.event_count - std::min(counted.received, plan.event_count);
    if (outcome.trouble.empty()) outcome.trouble = counted.trouble;
    return outcome;
}

// What an event's way is held against.
struct Floor {
    double round_trip_us = 0;
    Histogram relay_ns;
};

json::object describe(const Outcome& outcome, const Floor& floor) {
    const double round_trip_us = floor.round_trip_us;
    const auto over_relay = [&](double percent) {
        return static_cast<double>(outcome.latency_ns.percentile(percent)) /
               static_cast<double>(std::max<std::uint64_t>(1, floor.relay_ns.percentile(percent)));
    };
    json::object object = describe(outcome.latency_ns);
    object["p50_over_ping_pong"] =
        static_cast<double>(outcome.latency_ns.percentile(50)) / 1000 / round_trip_us;
    object["p99_over_ping_pong"] =
        static_cast<double>(outcome.latency_ns.percentile(99)) / 1000 / round_trip_us;
    object["p50_over_bare_relay"] = over_relay(50);
    object["p99_over_bare_relay"] = over_relay(99);
    object["received"] = outcome.received;
    object["misplaced"] = outcome.misplaced;
    object["stolen_by_host_s"] = outcome.stolen_seconds;
    object["sent_late_us_p99"] = static_cast<double>(outcome.lateness_ns.percentile(99)) / 1000;
    if (!outcome.trouble.empty()) object["trouble"] = outcome.trouble;
    return object;
}

// One write at a time, as a lone event has it.
Histogram durable_write_ns(const Target& target) {
    std::string why;
    const auto disk = need(storage::make_best_disk(target.folder(), why), "the disk");
    const RawWrites raw = raw_durable_writes(*disk, target.folder(), 64 * 1024, 1, 32u << 20);
    std::filesystem::remove(target.folder() / "raw-writes");
    return raw.latency_ns;
}

void count_errors(const Outcome& outcome, const Plan& plan, Report& report) {
    report.error_count += outcome.misplaced + plan.event_count -
                          std::min(outcome.received, plan.event_count) +
                          (outcome.trouble.empty() ? 0 : 1);
}

void run_e2e(const Options& options, Report& report) {
    Plan plan;
    plan.payload_bytes = options.size_bytes.value_or(1024);
    if (plan.payload_bytes < kTimedPayloadBytesMin) {
        throw std::runtime_error("--size must be at least " +
                                 std::to_string(kTimedPayloadBytesMin) +
                                 ": every event carries its time");
    }
    const std::uint64_t rate = std::max<std::uint64_t>(1, options.rate.value_or(10'000));
    const double seconds =
        std::chrono::duration<double>(options.duration.value_or(std::chrono::seconds(10))).count();
    const auto measured = options.event_count.value_or(
        static_cast<std::uint64_t>(static_cast<double>(rate) * seconds));
    plan.warm_up_count = std::min(2 * rate, measured);
    plan.event_count = measured + plan.warm_up_count;
    plan.gap = std::chrono::duration<double, std::nano>(1e9 / static_cast<double>(rate));
    plan.run = std::random_device{}();
    plan.producer = producer_options(options);
    if (!options.linger)
        plan.producer.linger = std::chrono::microseconds(0);  // latency is the question
    report.parameters = {{"payload_bytes", plan.payload_bytes},
                         {"rate", rate},
                         {"events", measured},
                         {"warm_up_events", plan.warm_up_count},
                         {"linger_us", plan.producer.linger.count()},
                         {"batch_bytes", plan.producer.batch_bytes},
                         {"producers", 1},
                         {"consumers", 1}};
    Target target(options, report.parameters);
    print_banner(report);

    Histogram round_trips = tcp_round_trips_ns(std::chrono::seconds(1));
    report.details["ping_pong_on_one_processor_us"] =
        describe(tcp_round_trips_ns(milliseconds(500), Ends::on_one_processor));
    if (cpu_count() > 1) {
        report.details["ping_pong_on_two_processors_us"] =
            describe(tcp_round_trips_ns(milliseconds(500), Ends::on_two_processors));
    }
    // Before and after: the machine may have changed.
    const auto bare_relay = [&] {
        return tcp_relay_ns(std::chrono::duration_cast<nanoseconds>(plan.gap), plan.payload_bytes,
                            kRelayFor);
    };
    Floor floor{.round_trip_us = 0, .relay_ns = bare_relay()};
    const auto client = target.connect();
    const Topics at_once(*client, {.prefix = "e2e-memory", .durability = Durability::memory});
    const Topics when_durable(*client,
                              {.prefix = "e2e-durable", .durability = Durability::durable});
    Bystanders bystanders(
        target, options,
        {at_once.measured, at_once.of_calls, when_durable.measured, when_durable.of_calls},
        SlowKind::reader);
    EventBudget memory_budget(target);
    plan.acks = Acks::memory;
    const Outcome memory = measure(target, plan, at_once, memory_budget);
    EventBudget durable_budget(target);
    plan.acks = Acks::durable;
    const Outcome durable = measure(target, plan, when_durable, durable_budget);
    bystanders.end(report);
    report.cpu_seconds = {memory.cpu_seconds.client + durable.cpu_seconds.client,
                          memory.cpu_seconds.broker + durable.cpu_seconds.broker};
    report.budget = memory_budget.so_far();
    report.details["durable_budget_per_event"] = durable_budget.so_far()->to_json();
    floor.relay_ns.merge(bare_relay());
    round_trips.merge(tcp_round_trips_ns(std::chrono::seconds(1)));

    const double round_trip_us = static_cast<double>(round_trips.percentile(50)) / 1000;
    floor.round_trip_us = round_trip_us;
    report.limit.name = "TCP ping-pong of 128 bytes, median";
    report.limit.latency_us = round_trip_us;
    report.latency_ns = memory.latency_ns;
    report.events_per_second = static_cast<double>(rate);
    report.bytes_per_second = static_cast<double>(rate * plan.payload_bytes);
    const auto median_us = static_cast<double>(memory.latency_ns.percentile(50)) / 1000;
    report.share_of_limit = median_us > 0 ? round_trip_us / median_us : 0;
    report.details["ping_pong_us"] = describe(round_trips);
    report.details["bare_relay_us"] = describe(floor.relay_ns);
    report.details["memory_us"] = describe(memory, floor);
    report.details["durable_us"] = describe(durable, floor);
    if (target.is_own())
        report.details["device_durable_write_us"] = describe(durable_write_ns(target));
    count_errors(memory, plan, report);
    count_errors(durable, plan, report);
    report.rss_bytes_max = target.broker_rss_bytes_max();
}

constexpr std::array<std::string_view, 12> kE2eFlags{
    "--size",        "--rate",         "--duration", "--events", "--batch-bytes",
    "--linger",      "--address",      "--data-dir", "--set",    "--idle-connections",
    "--idle-topics", "--slow-consumer"};

}  // namespace

extern const Workload kE2eWorkload;
const Workload kE2eWorkload{"e2e", "How long does an event take to its consumer, at a steady rate?",
                            kE2eFlags, run_e2e};

}  // namespace casc::bench
