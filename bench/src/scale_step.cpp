#include "scale_step.hpp"

#include "event_budget.hpp"
#include "filling.hpp"
#include "group_readers.hpp"
#include "load.hpp"
#include "reading.hpp"
#include "target.hpp"

#include <boost/json/value.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <random>
#include <thread>

namespace casc::bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// What all connections of a step may have on its way together; a lone one keeps its default.
constexpr std::size_t kInFlightBytesOfAll = 64u << 20;
constexpr std::size_t kInFlightBytesMin = 16u << 10;
constexpr std::uint64_t kBacklogEventBytes = 1024;
constexpr std::uint64_t kConnectionsByDefaultMax = 10'000;
constexpr std::uint64_t kConnectionsBesides = 100;  // the few that are there in every step
constexpr std::uint64_t kEventBytesDefault = 1u << 20;
constexpr std::uint64_t kEventBytesBesides = 1024;

// A limit of the broker that the step would run into.
std::optional<std::string> limit_for(ScaleOver over, std::uint64_t value) {
    const std::uint64_t connections = value + kConnectionsBesides;
    if (is_over_clients(over) && connections > kConnectionsByDefaultMax)
        return "limits.connections=" + std::to_string(connections);
    // The default is a MiB with all that an event has besides its payload.
    if (over == ScaleOver::size && value + kEventBytesBesides > kEventBytesDefault)
        return "limits.event_bytes=" + std::to_string(value + kEventBytesBesides);
    return {};
}

// The step's value in the place of the flag that it stands for.
Options options_of(const Options& options, ScaleOver over, std::uint64_t value) {
    Options step = options;
    const auto small = static_cast<std::uint32_t>(value);
    if (over == ScaleOver::partitions) step.partition_count = small;
    if (over == ScaleOver::connections) step.producer_count = small;
    if (over == ScaleOver::size) step.size_bytes = value;
    // In front: what --set says wins.
    if (const auto limit = limit_for(over, value))
        step.settings.insert(step.settings.begin(), *limit);
    return step;
}

LoadPlan load_plan(const Options& options) {
    LoadPlan plan;
    plan.payload_bytes = options.size_bytes.value_or(100);
    plan.producer_count = std::max(1u, options.producer_count);
    plan.rate = options.rate;
    plan.run = std::random_device{}();
    plan.producer = producer_options(options);
    plan.producer.acks = Acks::durable;
    client::ProducerOptions& producer = plan.producer;
    producer.in_flight_bytes =
        std::clamp(kInFlightBytesOfAll / plan.producer_count,
                   std::max(kInFlightBytesMin, 2 * plan.payload_bytes),
                   std::max(producer.in_flight_bytes, 4 * plan.payload_bytes));
    producer.batch_bytes = std::min(producer.batch_bytes, producer.in_flight_bytes / 4);
    return plan;
}

// What a reader must find of it; nothing when there is none.
std::optional<ReadPlan> fill_backlog(const Target& target, const Options& options,
                                     std::uint64_t bytes) {
    if (bytes == 0) return {};
    Options filling;
    filling.size_bytes = kBacklogEventBytes;
    filling.event_count = std::max<std::uint64_t>(1, bytes / kBacklogEventBytes);
    filling.partition_count = options.partition_count;
    Report unused;
    return fill_topics(target, filling, "scale-backlog", unused);
}

// What was acknowledged against what is there.
void hold_against(const Target& target, const ReadPlan& reading, ScaleStep& step) {
    const ReadOutcome outcome = read_all(target, reading);
    step.error_count += outcome.error_count();
    if (step.trouble.empty()) step.trouble = outcome.trouble;
}

void end_groups(GroupReaders& readers, const Load& load, ScaleStep& step) {
    const std::uint64_t missing = readers.finish(load.acknowledged());
    step.error_count += missing;
    if (missing > 0 && step.trouble.empty())
        step.trouble = "the groups lack " + std::to_string(missing) + " events";
}

// Until so much time has passed. Looks on at a watcher's pace; nothing waits for it.
void watch(const Load& load, nanoseconds time, Progress& progress) {
    const auto began = Clock::now();
    for (auto now = began; now < began + time; now = Clock::now()) {
        progress.show(
            std::chrono::duration<double>(now - began) / std::chrono::duration<double>(time),
            std::to_string(load.acknowledged()) + " events");
        std::this_thread::sleep_until(std::min(now + milliseconds(100), began + time));
    }
}

void run_load(const Target& target, Load& load, GroupReaders& readers, const Options& options,
              std::size_t payload_bytes, Progress& progress, ScaleStep& step) {
    const nanoseconds duration = options.duration.value_or(kStepDuration);
    load.start();
    watch(load, warm_up_before(duration), progress);
    EventBudget budget(target);
    budget.start();
    // At once: what the costs are divided by counts from the moment they do.
    const std::uint64_t acknowledged = load.acknowledged();
    const auto began = Clock::now();
    const std::uint64_t read = readers.events_read();
    load.begin_measuring();
    watch(load, duration, progress);
    const double watched = std::chrono::duration<double>(Clock::now() - began).count();
    step.group_events_per_second = static_cast<double>(readers.events_read() - read) / watched;
    load.drain();
    const auto events = static_cast<double>(load.acknowledged() - acknowledged);
    const double seconds = std::chrono::duration<double>(load.last_acknowledged() - began).count();
    step.cpu_seconds = budget.stop(events, events * static_cast<double>(payload_bytes));
    step.budget = budget.so_far();
    // The connections are still there, and closing them is nobody's cost of an event.
    step.rss_bytes = static_cast<double>(target.broker_rss_bytes());
    load.finish();
    step.events_per_second = seconds > 0 ? events / seconds : 0;
    step.bytes_per_second = step.events_per_second * static_cast<double>(payload_bytes);
    step.latency_ns = load.latency_ns();
    step.error_count += load.failed();
    step.trouble = load.first_error();
}

void measure(const Options& options, ScaleOver over, json::object& parameters, Progress& progress,
             ScaleStep& step) {
    LoadPlan plan = load_plan(options);
    parameters["in_flight_bytes"] = plan.producer.in_flight_bytes;
    parameters["batch_bytes"] = plan.producer.batch_bytes;
    Target target(options, parameters);
    const auto backlog = fill_backlog(target, options, over == ScaleOver::backlog ? step.value : 0);
    plan.topics = create_topics(*target.connect(),
                                {.prefix = "scale", .partition_count = options.partition_count});
    GroupReaders readers(target, plan.topics, over == ScaleOver::groups ? step.value : 0);
    Load load(target, plan);
    run_load(target, load, readers, options, plan.payload_bytes, progress, step);
    end_groups(readers, load, step);
    step.restart_seconds = target.restart_seconds();
    step.rss_bytes_restarted = static_cast<double>(target.broker_rss_bytes());
    ReadPlan reading = reading_of(plan, load, options.partition_count);
    reading.only_some_acknowledged = load.failed() > 0;
    hold_against(target, reading, step);
    if (backlog) hold_against(target, *backlog, step);
}

}  // namespace

std::optional<double> ScaleStep::latency_us(double percent) const {
    if (latency_ns.count() == 0) return {};
    return static_cast<double>(latency_ns.percentile(percent)) / 1000;
}

json::object ScaleStep::to_json(ScaleOver over) const {
    const auto micros = [this](double percent) -> json::value {
        const auto known = latency_us(percent);
        return known ? json::value(*known) : json::value(nullptr);
    };
    json::object object{{std::string(to_string(over)), value},
                        {"events_per_second", events_per_second},
                        {"bytes_per_second", bytes_per_second},
                        {"p50_us", micros(50)},
                        {"p99_us", micros(99)},
                        {"rss_bytes", rss_bytes},
                        {"restart_seconds", restart_seconds},
                        {"rss_bytes_after_restart", rss_bytes_restarted},
                        {"errors", error_count}};
    if (over == ScaleOver::groups)
        object["events_per_second_to_all_groups"] = group_events_per_second;
    if (!trouble.empty()) object["trouble"] = trouble;
    if (budget) object["budget_per_event"] = budget->to_json();
    return object;
}

ScaleStep measure_step(const Options& options, ScaleOver over, std::uint64_t value,
                       json::object& parameters, const std::string& title) {
    ScaleStep step;
    step.value = value;
    Progress progress(title);
    try {
        measure(options_of(options, over, value), over, parameters, progress, step);
    } catch (const std::exception& error) {
        step.trouble = error.what();
        ++step.error_count;
    }
    return step;
}

}  // namespace casc::bench
