#include "prometheus.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace casc::broker {

namespace {

// Shortest text that reads back as the same number; counters stay whole numbers.
std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    constexpr double kWholeUntil =
        9'007'199'254'740'992.0;  // 2^53: every whole number up to here is exact
    std::array<char, 32> text;
    char* const begin = text.data();
    char* const limit = begin + text.size();
    const bool whole = std::abs(value) < kWholeUntil && value == std::trunc(value);
    const char* end = whole ? std::to_chars(begin, limit, static_cast<long long>(value)).ptr
                            : std::to_chars(begin, limit, value).ptr;
    return std::string(static_cast<const char*>(begin), end);
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
    for (const char c : text) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && quotes) {
            out += "\\\"";
        } else {
            out += c;
        }
    }
}

void append_sample(std::string& out, const MetricSample& sample) {
    out += sample.name;
    if (!sample.labels.empty()) out.append("{").append(sample.labels).append("}");
    out.append(" ").append(number(sample.value)).append("\n");
}

}  // namespace

std::string render_prometheus(const std::vector<MetricFamily>& families) {
    std::string out;
    for (const MetricFamily& family : families) {
        if (family.samples.empty()) continue;
        out.append("# HELP ").append(family.name).append(" ");
        append_escaped(out, family.help, false);
        out.append("\n# TYPE ").append(family.name).append(" ").append(family.type).append("\n");
        for (const MetricSample& sample : family.samples)
            append_sample(out, sample);
    }
    return out;
}

std::string prometheus_label(std::string_view name, std::string_view value) {
    std::string out(name);
    out += "=\"";
    append_escaped(out, value, true);
    return out += '"';
}

MetricFamily single_metric(std::string name, std::string help, std::string type, double value) {
    MetricFamily family{name, std::move(help), std::move(type), {}};
    family.samples.push_back({std::move(name), "", value});
    return family;
}

}  // namespace casc::broker
