#include "suite_output.hpp"

#include "comparison_output.hpp"
#include "host.hpp"

#include <boost/json.hpp>

#include <array>
#include <cstdio>

namespace casc::bench::suite {
namespace {

namespace json = boost::json;

std::string number_text(double number) {
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), number < 10 ? "%.2f" : "%.1f", number);
    return text.data();
}

std::string row_of(const Bar& bar) {
    const std::string asked = (bar.is_more_better ? "≥ " : "≤ ") + number_text(bar.asked);
    std::string row = "| " + bar.figure + " | " + (bar.over.empty() ? "–" : bar.over) + " | ";
    row += bar.ratio ? "**" + number_text(*bar.ratio) + "**" : "not measured";
    return row + " | " + asked + " | " + (bar.is_reached() ? "✓" : "") + " |\n";
}

std::string machine_text(const SuiteResult& result) {
    std::string text = cpu_name() + ", " + std::to_string(cpu_count()) + " cpus, " + kernel_name() +
                       "; data on " + result.disk + "; casc " + commit_name() + "; medians of " +
                       std::to_string(result.round_count) + " rounds\n";
    if (result.stolen_seconds >= 0.1)
        text += "the host took " + number_text(result.stolen_seconds) +
                " s of processor time meanwhile, from whoever had it\n";
    return text;
}

json::object object_of(const Bar& bar) {
    json::object object{{"figure", bar.figure},
                        {"over", bar.over},
                        {"ratio", nullptr},
                        {"asked", bar.asked},
                        {"is_more_better", bar.is_more_better},
                        {"is_reached", bar.is_reached()}};
    if (bar.ratio) object["ratio"] = *bar.ratio;
    return object;
}

}  // namespace

std::string table_of(const SuiteResult& result) {
    std::string text =
        machine_text(result) + "\n| figure | over | ratio | asked | |\n|---|---|---|---|---|\n";
    for (const Bar& bar : bars_of(result.comparison, result.reports))
        text += row_of(bar);
    for (const auto& [step, trouble] : result.troubles)
        text += "\nfailed: " + step + ": " + trouble + '\n';
    if (!result.comparison.cases.empty()) text += '\n' + compare::table_of(result.comparison);
    return text;
}

json::object json_of(const SuiteResult& result) {
    json::array bars;
    for (const Bar& bar : bars_of(result.comparison, result.reports))
        bars.push_back(object_of(bar));
    json::object reports;
    for (const auto& [step, rounds] : result.reports)
        reports[step] = json::array(rounds.begin(), rounds.end());
    json::object troubles;
    for (const auto& [step, trouble] : result.troubles)
        troubles[step] = trouble;
    return {{"workload", "suite"},
            {"commit", commit_name()},
            {"rounds", result.round_count},
            {"stolen_cpu_seconds", result.stolen_seconds},
            {"bars", std::move(bars)},
            {"reports", std::move(reports)},
            {"troubles", std::move(troubles)},
            {"compare", compare::json_of(result.comparison)}};
}

}  // namespace casc::bench::suite
