#include "comparison_output.hpp"
#include "host.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace casc::bench::compare {
namespace {

constexpr std::size_t kColumns = 6;
constexpr std::size_t kNumberColumn = 2;
using Row = std::array<std::string, kColumns>;

// Three digits that count, and no more.
std::string number_text(double value) {
    std::array<char, 48> text{};
    if (value >= 1e6)
        std::snprintf(text.data(), text.size(), "%.2f M", value / 1e6);
    else if (value >= 1e4)
        std::snprintf(text.data(), text.size(), "%.0f k", value / 1e3);
    else
        std::snprintf(text.data(), text.size(), value < 100 ? "%.1f" : "%.0f", value);
    return text.data();
}

std::string ratio_text(const std::optional<Spread>& spread) {
    if (!spread) return {};
    const Spread& ratio = *spread;
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "%.3g (%.3g .. %.3g)", ratio.median, ratio.least,
                  ratio.most);
    return text.data();
}

void add_rows(const CaseResult& result, std::vector<Row>& rows) {
    for (const Metric& metric : metrics_of(result.asked)) {
        bool is_first = true;
        for (const Entry& entry : result.entries) {
            const auto values = spread_of(entry, metric);
            const bool is_casc = &entry == &result.entries.front();
            const auto ratios = is_casc ? std::optional<Spread>{}
                                        : ratios_of(result.entries.front(), entry, metric);
            std::string title = is_first ? result.asked.name() + ", " + std::string(metric.name) +
                                               (metric.is_more_better ? "" : " (less is better)")
                                         : "";
            rows.push_back({std::move(title), entry.contestant,
                            values ? number_text(values->median) : "failed", ratio_text(ratios),
                            ratio_text(memory_ratios_of(result, entry, metric)),
                            entry.terms.guarantee});
            is_first = false;
        }
    }
    std::string absent;
    for (const std::string& name : result.absent)
        absent += (absent.empty() ? "" : ", ") + name;
    if (!absent.empty()) rows.push_back({"", "-", "", "", "", "nothing of the kind: " + absent});
}

std::string laid_out(const std::vector<Row>& rows) {
    std::array<std::size_t, kColumns> widths{};
    for (std::size_t i = 0; i < kColumns; ++i) {
        // A column that nobody fills is left out, with its title.
        if (std::all_of(rows.begin() + 1, rows.end(),
                        [&](const Row& row) { return row[i].empty(); }))
            continue;
        for (const Row& row : rows)
            widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < kColumns; ++i) {
            if (widths[i] == 0) continue;
            const std::string padding(widths[i] - row[i].size(), ' ');
            // Numbers stand right.
            line += (i == kNumberColumn ? padding + row[i] : row[i] + padding) + "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

}  // namespace

std::string table_of(const Comparison& comparison) {
    std::string text = cpu_name() + ", " + std::to_string(cpu_count()) + " cpus, " + kernel_name() +
                       "; data on " + comparison.disk + "; medians of " +
                       std::to_string(comparison.round_count) + " rounds\n";
    if (comparison.stolen_seconds >= 0.1)
        text += "the host took " + number_text(comparison.stolen_seconds) +
                " s of processor time meanwhile, from whoever had it\n";
    for (const Participant& participant : comparison.participants)
        text += participant.name + ' ' + participant.version + "  ";
    if (!comparison.flips.empty())
        text += "\ncasc with" + comparison.flips +
                " where its workload has that; the others with " + "the idle connections alone";
    text += "\n\n";
    std::vector<Row> rows{
        {"workload", "of", "median", "casc/peer", "acks=memory/peer", "guarantee"}};
    for (const CaseResult& result : comparison.cases)
        add_rows(result, rows);
    text += laid_out(rows);
    for (const CaseResult& result : comparison.cases) {
        for (const Entry& entry : result.entries) {
            if (!entry.trouble.empty())
                text += "\nfailed: " + entry.contestant + " in " + result.asked.name() + ": " +
                        entry.trouble + '\n';
        }
    }
    for (const Skipped& skipped : comparison.skipped) {
        text += "\nskipped: " + skipped.name + ": " + skipped.reason;
        if (!skipped.remedy.empty()) text += "; to have it: " + skipped.remedy;
        text += '\n';
    }
    return text;
}

}  // namespace casc::bench::compare
