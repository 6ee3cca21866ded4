// Ratios as horizontal bars on a logarithmic scale around 1: to the right casc is ahead, whatever
// the metric, to the left the peer is.

#include "comparison_output.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

struct Bar {
    std::string label;
    double advantage;  // of casc: 2 is twice as fast, 0.5 half as fast
};

constexpr double kLabelWidth = 430;
constexpr double kPlotWidth = 480;
constexpr double kBarHeight = 18;
constexpr double kRowHeight = 26;
constexpr double kTop = 56;
constexpr double kTextBesideBar = 52;

std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (c == '&')
            result += "&amp;";
        else if (c == '<')
            result += "&lt;";
        else if (c == '>')
            result += "&gt;";
        else
            result += c;
    }
    return result;
}

template <class... Values>
std::string formatted(const char* format, Values... values) {
    std::array<char, 256> text{};
    std::snprintf(text.data(), text.size(), format, values...);
    return text.data();
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
    return formatted("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) +
           escaped(text) + "</text>\n";
}

// Powers of ten as far as the bars reach, at least one each way.
double decades_of(const std::vector<Bar>& bars) {
    double decades = 1;
    for (const Bar& bar : bars)
        decades = std::max(decades, std::ceil(std::abs(std::log10(bar.advantage))));
    return decades;
}

std::string axis(double decades, double height) {
    std::string text;
    for (double power = -decades; power <= decades; ++power) {
        const double x = kLabelWidth + kPlotWidth * (power + decades) / (2 * decades);
        text += formatted("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                          x, kTop - 8, x, height - 8, power == 0 ? "#333" : "#ddd");
        text += text_at(x, kTop - 14, "middle", formatted("%g", std::pow(10, power)));
    }
    return text;
}

std::string drawn(const Bar& bar, double y, double decades) {
    const double middle = kLabelWidth + kPlotWidth / 2;
    const double length = kPlotWidth / 2 * std::log10(bar.advantage) / decades;
    const double left = std::min(middle, middle + length);
    const bool is_ahead = length >= 0;
    return text_at(kLabelWidth - 8, y + 13, "end", bar.label) +
           formatted("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n",
                     left, y, std::abs(length), kBarHeight, is_ahead ? "#2a7f62" : "#b5523b") +
           text_at(is_ahead ? middle + length + 6 : left - 6, y + 13, is_ahead ? "start" : "end",
                   formatted("%.2f", bar.advantage));
}

std::string picture(const std::string& workload, const std::vector<Bar>& bars) {
    const double decades = decades_of(bars);
    const double width = kLabelWidth + kPlotWidth + kTextBesideBar;
    const double height = kTop + kRowHeight * static_cast<double>(bars.size()) + 12;
    std::string text = formatted(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n",
        width, height);
    text += "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
    text += text_at(8, 20, "start",
                    workload +
                        ": how many times faster casc is than each peer, median of the "
                        "rounds' ratios; right of 1 casc is ahead");
    text += axis(decades, height);
    double y = kTop;
    for (const Bar& bar : bars) {
        text += drawn(bar, y, decades);
        y += kRowHeight;
    }
    return text + "</svg>\n";
}

void add_bar(const std::string& label, const std::optional<Spread>& ratio, const Metric& metric,
             std::vector<Bar>& bars) {
    if (!ratio || ratio->median <= 0) return;
    bars.push_back({label, metric.is_more_better ? ratio->median : 1 / ratio->median});
}

void add_bars(const CaseResult& result, std::vector<Bar>& bars) {
    for (const Entry& peer : result.entries) {
        if (&peer == &result.entries.front() || &peer == result.memory_line()) continue;
        for (const Metric& metric : metrics_of(result.asked)) {
            const std::string label = result.asked.name() + ", " + std::string(metric.name);
            add_bar(label + " / " + peer.contestant,
                    ratios_of(result.entries.front(), peer, metric), metric, bars);
            add_bar(label + ", acks=memory / " + peer.contestant,
                    memory_ratios_of(result, peer, metric), metric, bars);
        }
    }
}

}  // namespace

std::vector<std::filesystem::path> write_charts(const Comparison& comparison,
                                                const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    std::map<std::string, std::vector<Bar>> workloads;
    for (const CaseResult& result : comparison.cases)
        add_bars(result, workloads[std::string(to_string(result.asked.question))]);
    std::vector<std::filesystem::path> files;
    for (const auto& [workload, bars] : workloads) {
        if (bars.empty()) continue;
        const auto file = folder / (workload + ".svg");
        std::ofstream out(file);
        out << picture(workload, bars);
        if (!out.flush())
            throw std::runtime_error("cannot write " + file.string() +
                                     "; name a folder of yours with --svg");
        files.push_back(file);
    }
    return files;
}

}  // namespace casc::bench::compare
