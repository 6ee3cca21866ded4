// The `volatile` workload: events that nobody stores, from producers to consumers as fast as both
// go. One consumer takes what all producers send; several get everything each. In turn with
// ZeroMQ, which goes from one to the other without a broker between them.

#include "bystanders.hpp"
#include "describe_times.hpp"
#include "event_budget.hpp"
#include "host.hpp"
#include "need.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "target.hpp"
#include "volatile_run.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace casc::bench {
namespace {

namespace json = boost::json;

VolatilePlan volatile_plan(const Options& options) {
    VolatilePlan plan;
    plan.producer_count = std::max(1u, options.producer_count);
    plan.consumer_count = std::max(1u, options.consumer_count);
    if (plan.producer_count > 1 && plan.consumer_count > 1)
        throw std::runtime_error(
            "either one producer or one consumer: ZeroMQ has no pattern to compare the rest with");
    plan.payload_bytes = options.size_bytes.value_or(100);
    plan.key_count = options.key_count;
    if (plan.payload_bytes < kTimedPayloadBytesMin)
        throw std::runtime_error("--size must be at least " +
                                 std::to_string(kTimedPayloadBytesMin) + " bytes");
    // What waits anywhere is latency. What is sent to sixteen costs sixteen times as long to send.
    plan.batch_bytes = options.batch_bytes.value_or(
        plan.producer_count + plan.consumer_count > 2 ? 32_KiB : 64_KiB);
    const std::uint32_t batches = options.in_flight_count.value_or(plan.producer_count > 1 ? 2 : 8);
    plan.in_flight_bytes = batches * plan.batch_bytes;
    plan.waiting_bytes = 8 * plan.batch_bytes;
    // Tried from 256 KiB to 8 MiB: for PUB the rate is the same and the latency is not.
    if (plan.consumer_count > 1) plan.window_bytes = 1_MiB;
    if (options.duration)
        plan.duration = std::chrono::duration_cast<std::chrono::milliseconds>(*options.duration);
    plan.warm_up = std::min(plan.warm_up, plan.duration);
    return plan;
}

json::object describe(const VolatileOutcome& outcome) {
    json::object object{
        {"events_per_second", outcome.events_per_second},
        {"latency_us_p50", static_cast<double>(outcome.latency_ns.percentile(50)) / 1e3},
        {"latency_us_p99", static_cast<double>(outcome.latency_ns.percentile(99)) / 1e3},
        {"misplaced", outcome.misplaced_count}};
    if (!outcome.trouble.empty()) object["trouble"] = outcome.trouble;
    return object;
}

void run_volatile(const Options& options, Report& report) {
    VolatilePlan plan = volatile_plan(options);
    report.parameters = {{"payload_bytes", plan.payload_bytes},
                         {"producers", plan.producer_count},
                         {"consumers", plan.consumer_count},
                         {"keys", plan.key_count},
                         {"batch_bytes", plan.batch_bytes},
                         {"in_flight_bytes", plan.in_flight_bytes},
                         {"tap_bytes_max_and_credit", plan.waiting_bytes},
                         {"zeromq_window_bytes", plan.window_bytes},
                         {"seconds_per_pass", static_cast<double>(plan.duration.count()) / 1e3},
                         {"passes", options.pass_count}};
    Target target(options, report.parameters);
    print_banner(report);
    const auto topics = create_topics(*target.connect(),
                                      {.prefix = "volatile", .durability = Durability::volatile_});

    Bystanders bystanders(target, options, topics, SlowKind::tap);

    const bool both = options.transport == "both";
    json::array passes;
    std::vector<double> rates;
    std::vector<double> ring_rates;
    Histogram ring_latency_ns;
    std::vector<double> peer_rates;
    EventBudget budget(target);
    EventBudget ring_budget(target);
    Progress progress("volatile: casc and ZeroMQ in turn");
    for (std::uint32_t number = 0; number < options.pass_count; ++number) {
        plan.run = 3 * number + 1;
        if (both) target.use(Transport::tcp);
        const double client_before = own_cpu_seconds();
        const double broker_before = target.broker_cpu_seconds();
        const VolatileOutcome ours = run_casc(target, topics.front(), plan, budget);
        report.cpu_seconds.client += own_cpu_seconds() - client_before;
        report.cpu_seconds.broker += target.broker_cpu_seconds() - broker_before;
        report.latency_ns.merge(ours.latency_ns);
        report.error_count += ours.misplaced_count + (ours.trouble.empty() ? 0 : 1);
        rates.push_back(ours.events_per_second);

        json::object pass{{"casc", describe(ours)}};
        if (both) {
            plan.run = 3 * number + 2;
            target.use(Transport::shared_memory);
            const VolatileOutcome rings = run_casc(target, topics.front(), plan, ring_budget);
            ring_latency_ns.merge(rings.latency_ns);
            report.error_count += rings.misplaced_count + (rings.trouble.empty() ? 0 : 1);
            ring_rates.push_back(rings.events_per_second);
            pass["casc_shm"] = describe(rings);
        }

        plan.run = 3 * number + 3;
        const VolatileOutcome peer = run_zeromq(plan);
        report.error_count += peer.misplaced_count;
        peer_rates.push_back(peer.events_per_second);
        pass["zeromq"] = describe(peer);
        passes.push_back(std::move(pass));
        progress.show(static_cast<double>(number + 1) / options.pass_count);
    }
    bystanders.end(report);
    report.details["passes"] = std::move(passes);
    report.budget = budget.so_far();
    if (ring_budget.so_far())
        report.details["shared_memory"] =
            json::object{{"events_per_second", median(ring_rates)},
                         {"over_tcp", median(ring_rates) / median(rates)},
                         {"over_zeromq", median(ring_rates) / median(peer_rates)},
                         {"latency_us", describe(ring_latency_ns)},
                         {"budget_per_event", ring_budget.so_far()->to_json()}};
    report.events_per_second = median(rates);
    report.bytes_per_second = report.events_per_second * static_cast<double>(plan.payload_bytes);
    report.limit.name = plan.consumer_count > 1 ? "ZeroMQ PUB/SUB without a broker, in turn"
                                                : "ZeroMQ PUSH/PULL without a broker, in turn";
    report.limit.events_per_second = median(peer_rates);
    report.share_of_limit = report.events_per_second / median(peer_rates);
    report.rss_bytes_max = target.broker_rss_bytes_max();
}

constexpr std::array<std::string_view, 15> kVolatileFlags{
    "--size",     "--producers", "--consumers",        "--batch-bytes", "--in-flight",
    "--duration", "--passes",    "--transport",        "--address",     "--data-dir",
    "--set",      "--keys",      "--idle-connections", "--idle-topics", "--slow-consumer"};

}  // namespace

extern const Workload kVolatileWorkload;
const Workload kVolatileWorkload{
    "volatile", "How fast do events that nobody stores get from producers to consumers?",
    kVolatileFlags, run_volatile};

}  // namespace casc::bench
