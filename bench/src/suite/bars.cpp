#include "bars.hpp"

#include "quantities.hpp"
#include "suite_plan.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <functional>
#include <string_view>

namespace casc::bench::suite {
namespace {

namespace json = boost::json;
using compare::Case;
using compare::CaseResult;
using compare::Comparison;
using compare::Entry;
using compare::Metric;
using compare::Question;
using compare::Sample;

constexpr Metric kRate{"events/s", &Sample::events_per_second, true};
constexpr Metric kMedian{"p50 us", &Sample::latency_us_p50, false};
constexpr Metric kTail{"p99 us", &Sample::latency_us_p99, false};

// ---- against peers ---------------------------------------------------------------------------

using Names = std::vector<std::string_view>;
const Names kBrokers{"redis", "nats", "rabbitmq", "kafka"};
const Names kEverybody{"redis", "nats", "rabbitmq", "kafka", "zeromq"};

const CaseResult* find_case(const Comparison& comparison, const Case& asked) {
    const auto found = std::ranges::find_if(comparison.cases, [&](const CaseResult& result) {
        return result.asked.name() == asked.name();
    });
    return found == comparison.cases.end() || found->entries.empty() ? nullptr : &*found;
}

// The one of `names` that does best in it; null: none took part.
const Entry* best_of(const CaseResult& result, const Names& names, const Metric& metric) {
    const Entry* best = nullptr;
    double best_value = 0;
    for (const Entry& entry : result.entries) {
        if (std::ranges::find(names, entry.contestant) == names.end()) continue;
        const auto spread = compare::spread_of(entry, metric);
        if (!spread) continue;
        const bool is_better =
            metric.is_more_better ? spread->median > best_value : spread->median < best_value;
        if (best != nullptr && !is_better) continue;
        best = &entry;
        best_value = spread->median;
    }
    return best;
}

struct PeerBar {
    std::string figure;
    Case asked;
    const Metric& metric;
    const Names& names;
    double bar;
};

Bar held_against(const Comparison& comparison, const PeerBar& wanted) {
    Bar bar{wanted.figure, {}, {}, wanted.bar, wanted.metric.is_more_better};
    const CaseResult* const result = find_case(comparison, wanted.asked);
    if (result == nullptr || result->entries.front().contestant != "casc") return bar;
    const Entry* const best = best_of(*result, wanted.names, wanted.metric);
    if (best == nullptr) return bar;
    bar.over = best->contestant;
    if (const auto ratio = compare::ratios_of(result->entries.front(), *best, wanted.metric))
        bar.ratio = ratio->median;
    return bar;
}

Case of(Question question, std::size_t payload_bytes, std::uint32_t width = 1) {
    return {.question = question, .payload_bytes = payload_bytes, .width = width};
}

std::vector<PeerBar> peer_bars() {
    static const Names kRabbit{"rabbitmq"};
    static const Names kWithAcks{"redis", "nats"};
    static const Names kZeroMq{"zeromq"};
    return {
        {"durable produce, 100 B, over who does not sync", of(Question::produce, 100), kRate,
         kBrokers, 6},
        {"durable produce, 1 KiB, over who does not sync", of(Question::produce, 1024), kRate,
         kBrokers, 3},
        {"durable produce, 100 B, over who syncs", of(Question::produce_fsync, 100), kRate,
         kBrokers, 20},
        {"durable produce, 1 KiB, over who syncs", of(Question::produce_fsync, 1024), kRate,
         kBrokers, 12},
        {"catch-up of a group, 100 B", of(Question::consume, 100), kRate, kRabbit, 1},
        {"catch-up of a group, 1 KiB", of(Question::consume, 1024), kRate, kRabbit, 1},
        {"catch-up of a group, 100 B, over acks", of(Question::consume, 100), kRate, kWithAcks, 8},
        {"catch-up of a group, 1 KiB, over acks", of(Question::consume, 1024), kRate, kWithAcks, 8},
        {"end to end, memory topic, p50", of(Question::e2e, 1024), kMedian, kBrokers, 1},
        {"end to end, memory topic, p99", of(Question::e2e, 1024), kTail, kBrokers, 1},
        {"requests, 64 in flight", of(Question::request, 100, 64), kRate, kEverybody, 1.1},
        {"request, one in flight, p50", of(Question::request, 100, 1), kMedian, kEverybody, 0.9},
        {"volatile, 100 B, 1 to 1", of(Question::volatile_, 100, 1), kRate, kZeroMq, 1.5},
        {"volatile, 100 B, 1 to 16", of(Question::volatile_, 100, 16), kRate, kZeroMq, 1},
    };
}

// ---- against the limits of the machine -------------------------------------------------------

// Nothing: the report does not say it.
using Reading = std::function<std::optional<double>(const json::value& report)>;

std::optional<double> number_at(const json::value& report, std::string_view pointer) {
    boost::system::error_code missing;
    const json::value* const found = report.find_pointer(pointer, missing);
    if (missing || found == nullptr || !found->is_number()) return {};
    return found->to_number<double>();
}

std::optional<double> median_of(const Reports& reports, std::string_view step,
                                const Reading& reading) {
    const auto found = reports.find(step);
    if (found == reports.end()) return {};
    std::vector<double> values;
    for (const json::value& report : found->second) {
        if (report.is_null()) continue;
        if (const auto value = reading(report)) values.push_back(*value);
    }
    if (values.empty()) return {};
    return median(values);
}

std::optional<double> share_of_limit(const json::value& report) {
    return number_at(report, "/share_of_limit");
}

// A durable event waits for one write, and goes to the broker and on from there: a ping-pong, and
// half of one for what the threads behind the sockets do.
std::optional<double> durable_over_limit(const json::value& report) {
    const auto median_us = number_at(report, "/details/durable_us/p50");
    const auto write_us = number_at(report, "/details/device_durable_write_us/p50");
    const auto ping_pong_us = number_at(report, "/details/ping_pong_us/p50");
    if (!median_us || !write_us || !ping_pong_us) return {};
    return *median_us / (*write_us + 1.5 * *ping_pong_us);
}

Reading ring_ratio(std::string_view pattern, std::size_t item_bytes) {
    return [=](const json::value& report) -> std::optional<double> {
        boost::system::error_code missing;
        const json::value* const cases = report.find_pointer("/details/cases", missing);
        if (missing || cases == nullptr || !cases->is_array()) return {};
        for (const json::value& one : cases->get_array()) {
            if (one.at("pattern").as_string() == pattern &&
                one.at("item_bytes").to_number<std::size_t>() == item_bytes)
                return number_at(one, "/ratio_to_best_peer");
        }
        return {};
    };
}

void add_ring_bars(const Reports& reports, std::vector<Bar>& bars) {
    constexpr std::pair<std::string_view, double> kPatterns[] = {
        {"batched", 1.3}, {"single", 1.05}, {"round_trip", 1.05}};
    for (const auto& [pattern, asked] : kPatterns) {
        for (const std::size_t bytes : {8u, 64u}) {
            bars.push_back({"ring, " + std::string(pattern) + ", " + std::to_string(bytes) + " B",
                            "best of boost, moodycamel",
                            median_of(reports, kRingStep, ring_ratio(pattern, bytes)), asked});
        }
    }
}

void add_machine_bars(const Reports& reports, std::vector<Bar>& bars) {
    bars.push_back({"cold catch-up of a group, 100 B", "the raw read",
                    median_of(reports, kConsumeStep, share_of_limit), 0.8});
    bars.push_back({"end to end, durable topic, p50", "a durable write and 1.5 ping-pongs",
                    median_of(reports, kE2eStep, durable_over_limit), 1, false});
    add_ring_bars(reports, bars);
    bars.push_back({"the durable log alone", "the raw device",
                    median_of(reports, kStorageStep, share_of_limit), 0.65});
    bars.push_back({"ingest into a volatile topic, 1 KiB", "one TCP stream",
                    median_of(reports, kIngestStep, share_of_limit), 0.5});
}

// ---- against itself, alone -------------------------------------------------------------------

// More is better, of times too: alone over accompanied.
std::optional<double> kept_share(const Reports& reports, const Accompanied& workload,
                                 const Company& company) {
    const auto alone = reports.find(workload.name);
    const auto beside = reports.find(step_name(workload, company));
    if (alone == reports.end() || beside == reports.end()) return {};
    const std::string_view pointer = workload.is_time ? "/latency_us/p50" : "/events_per_second";
    std::vector<double> shares;
    const std::size_t rounds = std::min(alone->second.size(), beside->second.size());
    for (std::size_t round = 0; round < rounds; ++round) {
        const json::value& without = alone->second[round];
        const json::value& with = beside->second[round];
        if (without.is_null() || with.is_null()) continue;
        const auto accompanied = number_at(with, pointer);
        const auto single = number_at(without, pointer);
        if (!accompanied || !single || *accompanied <= 0 || *single <= 0) continue;
        const double ratio = *accompanied / *single;
        shares.push_back(workload.is_time ? 1 / ratio : ratio);
    }
    if (shares.empty()) return {};
    return median(shares);
}

void add_company_bars(const Reports& reports, std::vector<Bar>& bars) {
    for (const Accompanied& workload : kAccompanied) {
        for (const Company& company : kCompanies)
            bars.push_back({step_name(workload, company), "itself alone",
                            kept_share(reports, workload, company), 0.8});
    }
}

}  // namespace

std::vector<Bar> bars_of(const Comparison& comparison, const Reports& reports) {
    std::vector<Bar> bars;
    for (const PeerBar& wanted : peer_bars())
        bars.push_back(held_against(comparison, wanted));
    add_machine_bars(reports, bars);
    add_company_bars(reports, bars);
    return bars;
}

}  // namespace casc::bench::suite
