// The `produce` workload: how many events a broker acknowledges. Client and broker share the
// machine; the limits are one TCP stream, and for durable events the device, measured in the same
// run. Everything acknowledged is read back, unless nothing is kept.

#include "bystanders.hpp"
#include "event_budget.hpp"
#include "filling.hpp"
#include "limits_disk.hpp"
#include "limits_network.hpp"
#include "load.hpp"
#include "need.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "reading.hpp"
#include "target.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// The broker's caches and journal are touched when this much has passed through: its memory budget
// and a half.
constexpr std::uint64_t kWarmUpBytes = 768u << 20;
constexpr std::chrono::seconds kWarmUpMax{5};
constexpr milliseconds kStep{100};
constexpr std::size_t kSamplesMax = 30;

struct Sample {
    double seconds;
    std::uint64_t events;
    std::uint64_t rss_bytes;
};

// The slope of the straight line through the later half, by least squares: what a leak would look
// like.
double rss_slope_bytes_per_minute(const std::vector<Sample>& samples) {
    const std::size_t from = samples.size() / 2;
    const auto n = static_cast<double>(samples.size() - from);
    if (n < 3) return 0;
    double x = 0;
    double y = 0;
    for (std::size_t i = from; i < samples.size(); ++i) {
        x += samples[i].seconds / n;
        y += static_cast<double>(samples[i].rss_bytes) / n;
    }
    double covariance = 0;
    double variance = 0;
    for (std::size_t i = from; i < samples.size(); ++i) {
        covariance += (samples[i].seconds - x) * (static_cast<double>(samples[i].rss_bytes) - y);
        variance += (samples[i].seconds - x) * (samples[i].seconds - x);
    }
    return variance > 0 ? covariance / variance * 60 : 0;
}

// Every so many, so that ten minutes are as long as ten seconds in the report.
json::array thinned(const std::vector<Sample>& samples) {
    json::array result;
    const std::size_t step = samples.size() / kSamplesMax + 1;
    for (std::size_t i = step - 1; i < samples.size(); i += step) {
        const Sample before = i >= step ? samples[i - step] : Sample{0, 0, 0};
        const double rate = static_cast<double>(samples[i].events - before.events) /
                            (samples[i].seconds - before.seconds);
        result.push_back(json::object{{"seconds", samples[i].seconds},
                                      {"events_per_second", rate},
                                      {"rss_bytes", samples[i].rss_bytes}});
    }
    return result;
}

// One run of a load from warm to done.
class Measurement {
public:
    Measurement(const Target& target, Load& load, const Options& options, std::size_t payload_bytes)
        : target_(target),
          load_(load),
          options_(options),
          payload_bytes_(payload_bytes),
          budget_(target) {}

    void run() {
        // System calls are counted in the warm-up, so that the counting does not slow down what is
        // measured. A small run has next to none of that.
        const bool small = is_bounded();
        if (!small) budget_.start(Counting::only_calls);
        load_.start();
        warm_up();
        if (!small) budget_.stop(static_cast<double>(load_.acknowledged()), 0);
        began_ = Clock::now();
        acknowledged_before_ = load_.acknowledged();
        load_.begin_measuring();
        // It takes a moment, in which the load goes on, and counts the events behind it.
        budget_.start(small ? Counting::everything : Counting::all_but_calls);
        const std::uint64_t before_budget = load_.acknowledged();
        watch();
        load_.drain();  // waits for what is on its way
        seconds_ = duration<double>(load_.last_acknowledged() - began_).count();
        const auto events = static_cast<double>(load_.acknowledged() - before_budget);
        cpu_ = budget_.stop(events, events * static_cast<double>(payload_bytes_));
        load_.finish();
    }

    void describe(Report& report) const {
        const auto events = static_cast<double>(load_.acknowledged() - acknowledged_before_);
        report.events_per_second = events / seconds_;
        report.bytes_per_second = report.events_per_second * static_cast<double>(payload_bytes_);
        report.latency_ns = load_.latency_ns();
        report.error_count += load_.failed();
        report.cpu_seconds = cpu_;
        report.budget = budget_.so_far();
        report.rss_bytes_max = target_.broker_rss_bytes_max();
        report.details["measured_seconds"] = seconds_;
        report.details["measured_events"] = events;
        report.details["warm_up_events"] = acknowledged_before_;
        report.details["rss_slope_bytes_per_minute"] = rss_slope_bytes_per_minute(samples_);
        report.details["samples"] = thinned(samples_);
        if (!load_.first_error().empty()) report.details["first_error"] = load_.first_error();
    }

private:
    [[nodiscard]] bool is_bounded() const { return options_.event_count || options_.total_bytes; }

    // Until the memory is touched, but no more than a quarter of a run that is bounded by its size.
    void warm_up() const {
        std::uint64_t events = kWarmUpBytes / payload_bytes_;
        if (options_.event_count) events = std::min(events, *options_.event_count / 4);
        if (options_.total_bytes)
            events = std::min(events, *options_.total_bytes / payload_bytes_ / 4);
        const auto until = Clock::now() + kWarmUpMax;
        while (load_.acknowledged() < events && Clock::now() < until &&
               !load_.has_sent_everything()) {
            std::this_thread::sleep_for(milliseconds(5));  // a watcher's pace; nothing waits for it
        }
    }

    void watch() {
        Progress progress("produce");
        const bool bounded = is_bounded();
        const nanoseconds limit =
            options_.duration.value_or(bounded ? nanoseconds::max() : std::chrono::seconds(10));
        for (auto next = began_; !load_.has_sent_everything();) {
            next += kStep;
            std::this_thread::sleep_until(
                std::min(next, limit < std::chrono::hours(24) ? began_ + limit : next));
            const auto elapsed = Clock::now() - began_;
            const std::uint64_t events = load_.acknowledged() - acknowledged_before_;
            samples_.push_back(
                {duration<double>(elapsed).count(), events, target_.broker_rss_bytes()});
            progress.show(
                bounded ? 0 : duration<double>(elapsed) / duration<double>(limit),
                format_count(static_cast<double>(events) / samples_.back().seconds) + " events/s");
            if (elapsed >= limit) return;
        }
    }

    const Target& target_;
    Load& load_;
    const Options& options_;
    const std::size_t payload_bytes_;
    Clock::time_point began_;
    std::uint64_t acknowledged_before_ = 0;
    double seconds_ = 0;
    EventBudget budget_;
    CpuSeconds cpu_;
    std::vector<Sample> samples_;
};

void measure_limits(const Target& target, const Options& options, const LoadPlan& plan,
                    Report& report) {
    report.limit.name = "one loopback TCP stream of 64 KiB sends";
    report.limit.bytes_per_second = tcp_stream_bytes_per_second(std::chrono::seconds(1));
    if (options.acks != "durable" || !target.is_own()) return;
    std::string why;
    const auto disk = need(storage::make_best_disk(target.folder(), why), "the disk");
    // A small run needs no long look at the device.
    const std::uint64_t bytes = std::clamp<std::uint64_t>(
        plan.event_count.value_or(~0u) * plan.payload_bytes, 16u << 20, 1u << 30);
    const RawWrites raw = raw_durable_writes(*disk, target.folder(), 64 * 1024, 8, bytes);
    report.details["raw_device_bytes_per_second"] = raw.bytes_per_second;
    report.details["raw_device_write_us_p50"] =
        static_cast<double>(raw.latency_ns.percentile(50)) / 1000;
    std::filesystem::remove(target.folder() / "raw-writes");
}

void read_back(const Target& target, const Options& options, const LoadPlan& plan, const Load& load,
               Report& report) {
    ReadPlan reading = reading_of(plan, load, options.partition_count);
    reading.only_some_acknowledged = load.failed() > 0;
    reading.retained_tail_only = options.retention_bytes.has_value();
    const ReadOutcome outcome = read_all(target, reading);
    report.error_count += outcome.error_count();
    json::object object{{"events", outcome.event_count},
                        {"missing", outcome.missing_count},
                        {"misplaced", outcome.misplaced_count},
                        {"seconds", outcome.seconds}};
    if (!outcome.trouble.empty()) object["trouble"] = outcome.trouble;
    report.details["read_back"] = std::move(object);
}

Durability durability_of(const Options& options) {
    for (const Durability one : {Durability::volatile_, Durability::memory, Durability::durable}) {
        if (to_string(one) == options.durability) return one;
    }
    return options.acks == "durable" ? Durability::durable : Durability::memory;
}

void note_parameters(const Options& options, const LoadPlan& plan, Report& report) {
    auto& parameters = report.parameters;
    parameters["payload_bytes"] = plan.payload_bytes;
    parameters["acks"] = options.acks;
    parameters["durability"] = to_string(durability_of(options));
    parameters["producers"] = options.producer_count;
    parameters["batch_bytes"] = plan.producer.batch_bytes;
    parameters["linger_us"] = plan.producer.linger.count();
    parameters["in_flight_batches"] = plan.producer.in_flight_batches;
    parameters["in_flight_bytes"] = plan.producer.in_flight_bytes;
    parameters["topics"] = options.topic_count;
    parameters["partitions"] = options.partition_count;
    parameters["lane"] = options.lane;
    parameters["compression"] = options.compression;
    parameters["keys"] = options.key_count;
    if (options.rate) parameters["rate"] = *options.rate;
    if (options.duration) parameters["duration_s"] = duration<double>(*options.duration).count();
    if (plan.event_count) parameters["events"] = *plan.event_count;
    if (options.retention_bytes) parameters["retention_bytes"] = *options.retention_bytes;
}

void run_produce(const Options& options, Report& report) {
    LoadPlan plan;
    plan.payload_bytes = options.size_bytes.value_or(100);
    plan.producer_count = std::max(1u, options.producer_count);
    plan.key_count = options.key_count;
    plan.rate = options.rate;
    plan.lane = lane_of(options.lane);
    plan.run = std::random_device{}();
    plan.producer = producer_options(options);
    if (options.event_count) plan.event_count = options.event_count;
    if (options.total_bytes) plan.event_count = *options.total_bytes / plan.payload_bytes;
    note_parameters(options, plan, report);
    Target target(options, report.parameters);
    print_banner(report);

    measure_limits(target, options, plan, report);
    const auto client = target.connect();
    const Durability durability = durability_of(options);
    const bool is_kept = durability != Durability::volatile_;
    plan.topics = create_topics(*client, {.prefix = "produce",
                                          .topic_count = options.topic_count,
                                          .partition_count = options.partition_count,
                                          .durability = durability,
                                          .retention_bytes = options.retention_bytes});
    Load load(target, plan);
    Measurement measurement(target, load, options, plan.payload_bytes);
    Bystanders bystanders(target, options, plan.topics, is_kept ? SlowKind::reader : SlowKind::tap);
    measurement.run();
    measurement.describe(report);
    bystanders.end(report);
    report.share_of_limit = report.bytes_per_second / *report.limit.bytes_per_second;
    if (is_kept) read_back(target, options, plan, load, report);
}

constexpr std::array<std::string_view, 23> kProduceFlags{
    "--size",        "--acks",          "--producers", "--batch-bytes", "--linger",
    "--rate",        "--duration",      "--events",    "--total",       "--in-flight",
    "--topics",      "--partitions",    "--lane",      "--compression", "--retention-bytes",
    "--address",     "--data-dir",      "--set",       "--keys",        "--idle-connections",
    "--idle-topics", "--slow-consumer", "--durability"};

}  // namespace

extern const Workload kProduceWorkload;
const Workload kProduceWorkload{"produce",
                                "How many events does a broker acknowledge, and how soon?",
                                kProduceFlags, run_produce};

}  // namespace casc::bench
