// The `scale` workload: what becomes of durable produce when one thing grows and everything else
// stays. Every step has a broker of its own, is loaded for a few seconds, started again on the same
// data, and read back.

#include "load.hpp"
#include "quantities.hpp"
#include "scale_plan.hpp"
#include "scale_step.hpp"
#include "scratch_folder.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;

struct Column {
    const char* name;
    std::function<double(const ScaleStep&)> value;
    std::function<std::string(double)> format;
    bool is_timed = false;  // out of samples, of which a step may have too few
};

std::string format_micros(double micros) {
    if (micros <= 0) return "unknown";
    return format_duration(std::chrono::nanoseconds(static_cast<std::int64_t>(micros * 1000)));
}

const std::vector<Column>& columns() {
    static const std::vector<Column> all{
        {"events_per_second", [](const auto& step) { return step.events_per_second; },
         format_count},
        {"bytes_per_second", [](const auto& step) { return step.bytes_per_second; }, format_bytes},
        {"p99_us", [](const auto& step) { return step.latency_us(99).value_or(0); }, format_micros,
         true},
        {"rss_bytes", [](const auto& step) { return step.rss_bytes; }, format_bytes},
        {"restart_seconds", [](const auto& step) { return step.restart_seconds; },
         [](double seconds) { return format_micros(seconds * 1e6); }}};
    return all;
}

std::string cell(const std::string& text) {
    constexpr std::size_t kWidth = 19;
    return text.size() < kWidth ? std::string(kWidth - text.size(), ' ') + text : ' ' + text;
}

std::string words_of(const std::optional<Growth>& growth) {
    if (!growth) return "-";
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%.2fx %s", growth->largest_over_smallest,
                  growth->is_flat() ? "flat" : "not flat");
    return text.data();
}

// For growth_of(), to which 0 is a value that there is not.
std::vector<double> column_of(const std::vector<ScaleStep>& steps, const Column& column) {
    std::vector<double> values;
    for (const ScaleStep& step : steps)
        values.push_back(column.is_timed && !step.has_samples_to_judge() ? 0 : column.value(step));
    return values;
}

std::string table_of(const std::vector<ScaleStep>& steps, ScaleOver over) {
    std::string table = cell(std::string(to_string(over)));
    for (const Column& column : columns())
        table += cell(column.name);
    for (const ScaleStep& step : steps) {
        table += '\n' + cell(format_step(over, step.value));
        for (const Column& column : columns())
            table += cell(column.format(column.value(step)));
        if (!step.trouble.empty()) table += "  " + step.trouble;
    }
    table += '\n' + cell("largest/smallest");
    for (const Column& column : columns())
        table += cell(words_of(growth_of(column_of(steps, column))));
    return table + '\n';
}

json::object growth_object(const std::vector<ScaleStep>& steps) {
    json::object object;
    for (const Column& column : columns()) {
        const auto growth = growth_of(column_of(steps, column));
        if (!growth) {
            object[column.name] = nullptr;
            continue;
        }
        object[column.name] = json::object{{"last_over_first", growth->last_over_first},
                                           {"largest_over_smallest", growth->largest_over_smallest},
                                           {"flat", growth->is_flat()}};
    }
    return object;
}

double seconds_of(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
}

// The first step is what the last one is held against.
void sum_up(const std::vector<ScaleStep>& steps, ScaleOver over, Report& report) {
    const ScaleStep& first = steps.front();
    const ScaleStep& last = steps.back();
    report.events_per_second = last.events_per_second;
    report.bytes_per_second = last.bytes_per_second;
    report.latency_ns = last.latency_ns;
    report.budget = last.budget;
    report.limit.name = "the first step, " + format_step(over, first.value);
    report.limit.events_per_second = first.events_per_second;
    report.limit.bytes_per_second = first.bytes_per_second;
    if (first.bytes_per_second > 0)
        report.share_of_limit = last.bytes_per_second / first.bytes_per_second;
    json::array list;
    for (const ScaleStep& step : steps) {
        list.push_back(step.to_json(over));
        report.error_count += step.error_count;
        report.rss_bytes_max =
            std::max(report.rss_bytes_max, static_cast<std::uint64_t>(step.rss_bytes));
        report.cpu_seconds.client += step.cpu_seconds.client;
        report.cpu_seconds.broker += step.cpu_seconds.broker;
    }
    report.details["steps"] = std::move(list);
    report.details["growth"] = growth_object(steps);
    report.table += table_of(steps, over);
}

// A step for which there is no room is said, and left out.
std::optional<std::string> why_left_out(const Options& options, ScaleOver over,
                                        std::uint64_t value) {
    const ScratchFolder folder(options.data_folder);
    return no_room_for(over, value, options.duration.value_or(kStepDuration),
                       room_here(folder.path().string(), open_files_for(over, value)));
}

void run_scale(const Options& options, Report& report) {
    const ScaleOver over = scale_over_of(options.scale_over);
    const std::vector<std::uint64_t> values =
        options.scale_steps.empty() ? default_steps(over) : parse_steps(over, options.scale_steps);
    const std::chrono::nanoseconds duration = options.duration.value_or(kStepDuration);
    report.parameters = {{"over", to_string(over)},
                         {"payload_bytes", options.size_bytes.value_or(100)},
                         {"producers", std::max(1u, options.producer_count)},
                         {"partitions", options.partition_count},
                         {"acks", "durable"},
                         {"duration_s", seconds_of(duration)},
                         {"warm_up_s", seconds_of(warm_up_before(duration))},
                         {"linger_us", producer_options(options).linger.count()}};
    if (options.rate) report.parameters["rate"] = *options.rate;
    print_banner(report);
    std::vector<ScaleStep> steps;
    json::array left_out;
    json::array brokers;
    for (const std::uint64_t value : values) {
        const std::string name = std::string(to_string(over)) + ' ' + format_step(over, value);
        if (const auto why = why_left_out(options, over, value)) {
            report.table += "left out: " + name + ": it " + *why + '\n';
            left_out.push_back(json::object{{"step", value}, {"why", *why}});
            continue;
        }
        json::object parameters;
        steps.push_back(measure_step(options, over, value, parameters, "scale: " + name));
        brokers.push_back(std::move(parameters));
    }
    report.details["left_out"] = std::move(left_out);
    report.details["parameters_of_steps"] = std::move(brokers);
    if (steps.empty()) throw std::runtime_error("there is no room for any step:\n" + report.table);
    sum_up(steps, over, report);
}

constexpr std::array<std::string_view, 11> kScaleFlags{
    "--over",     "--steps",       "--size",   "--producers", "--partitions", "--rate",
    "--duration", "--batch-bytes", "--linger", "--data-dir",  "--set"};

}  // namespace

extern const Workload kScaleWorkload;
const Workload kScaleWorkload{
    "scale",
    "What becomes of durable produce, memory and start-up when partitions, connections, groups, "
    "event size or stored data grow?",
    kScaleFlags, run_scale};

}  // namespace casc::bench
