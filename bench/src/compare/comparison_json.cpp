#include "comparison_output.hpp"
#include "host.hpp"

#include <boost/json.hpp>

namespace casc::bench::compare {
namespace {

namespace json = boost::json;

json::object object_of(const Spread& spread) {
    return {{"median", spread.median}, {"min", spread.least}, {"max", spread.most}};
}

json::value sample_value(const std::optional<Sample>& sample) {
    if (!sample) return nullptr;
    return json::object{{"events_per_second", sample->events_per_second},
                        {"latency_us_p50", sample->latency_us_p50},
                        {"latency_us_p99", sample->latency_us_p99}};
}

json::object entry_object(const CaseResult& result, const Entry& entry) {
    json::array rounds;
    for (const std::optional<Sample>& sample : entry.rounds)
        rounds.push_back(sample_value(sample));
    json::object metrics;
    for (const Metric& metric : metrics_of(result.asked)) {
        json::object object;
        if (const auto values = spread_of(entry, metric)) object = object_of(*values);
        if (&entry != &result.entries.front()) {
            if (const auto ratios = ratios_of(result.entries.front(), entry, metric))
                object["casc_over_it"] = object_of(*ratios);
        }
        if (const auto ratios = memory_ratios_of(result, entry, metric))
            object["casc_memory_over_it"] = object_of(*ratios);
        metrics[metric.name] = std::move(object);
    }
    json::object object{{"name", entry.contestant},
                        {"guarantee", entry.terms.guarantee},
                        {"configuration", entry.terms.configuration},
                        {"rounds", std::move(rounds)},
                        {"metrics", std::move(metrics)}};
    if (!entry.trouble.empty()) object["trouble"] = entry.trouble;
    return object;
}

json::object case_object(const CaseResult& result) {
    json::array entries;
    for (const Entry& entry : result.entries)
        entries.push_back(entry_object(result, entry));
    json::array absent;
    for (const std::string& name : result.absent)
        absent.emplace_back(name);
    return {{"name", result.asked.name()},
            {"workload", to_string(result.asked.question)},
            {"payload_bytes", result.asked.payload_bytes},
            {"width", result.asked.width},
            {"producers", result.asked.producer_count},
            {"idle_connections", result.asked.idle_connection_count},
            {"seconds", std::chrono::duration<double>(result.asked.duration).count()},
            {"contestants", std::move(entries)},
            {"have_no_such_thing", std::move(absent)}};
}

}  // namespace

json::object json_of(const Comparison& comparison) {
    json::array participants;
    for (const Participant& participant : comparison.participants)
        participants.push_back(
            json::object{{"name", participant.name}, {"version", participant.version}});
    json::array skipped;
    for (const Skipped& one : comparison.skipped)
        skipped.push_back(
            json::object{{"name", one.name}, {"reason", one.reason}, {"remedy", one.remedy}});
    json::array cases;
    for (const CaseResult& result : comparison.cases)
        cases.push_back(case_object(result));
    return {{"workload", "compare"},
            {"host", json::object{{"cpu", cpu_name()},
                                  {"cpus", cpu_count()},
                                  {"memory_bytes", memory_bytes()},
                                  {"kernel", kernel_name()},
                                  {"disk", comparison.disk},
                                  {"stolen_cpu_seconds", comparison.stolen_seconds}}},
            {"commit", commit_name()},
            {"rounds", comparison.round_count},
            {"flips", comparison.flips},
            {"contestants", std::move(participants)},
            {"skipped", std::move(skipped)},
            {"cases", std::move(cases)}};
}

}  // namespace casc::bench::compare
