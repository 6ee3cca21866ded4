#include "health.hpp"

#include "json_text.hpp"

#include <array>
#include <cstdio>

namespace casc::admin {

namespace {

constexpr std::array<std::string_view, 4> kNames{"OK", "WARNING", "CRITICAL", "UNKNOWN"};
constexpr std::array<std::string_view, 4> kJsonNames{"ok", "warning", "critical", "unknown"};

// ok < unknown < warning < critical
int badness(Verdict verdict) {
    constexpr std::array<int, 4> kRank{0, 2, 3, 1};
    return kRank[static_cast<std::size_t>(verdict)];
}

std::string number_text(double value) {
    return json::serialize(json_number(value));
}

std::string perfdata(const Measure& measure) {
    std::string text = "'" + measure.name + "'=" + number_text(measure.value) + measure.unit;
    for (const auto& threshold : {measure.warning, measure.critical}) {
        text += ';';
        if (threshold) text += number_text(*threshold) + (measure.is_floor ? ":" : "");
    }
    return text;
}

}  // namespace

void Health::worsen(Verdict to, const std::string& why) {
    if (badness(to) < badness(verdict)) return;
    if (to == verdict && verdict != Verdict::ok)
        message += "; " + why;
    else
        message = why;
    verdict = to;
}

std::string nagios_line(const Health& health) {
    std::string check = health.check;
    for (char& c : check)
        c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    std::string line = "CASC " + check + " " +
                       std::string(kNames[static_cast<std::size_t>(health.verdict)]) + " - ";
    // A bar would begin the figures, a line break end the message.
    for (const char c : health.message)
        line += c == '|' || c == '\n' ? ' ' : c;
    for (const Measure& measure : health.measures)
        line += (&measure == health.measures.data() ? " | " : " ") + perfdata(measure);
    return line;
}

json::object health_json(const Health& health) {
    json::array measures;
    for (const Measure& measure : health.measures) {
        json::object object{{"name", measure.name}, {"value", json_number(measure.value)}};
        object["unit"] = measure.unit.empty() ? json::value(nullptr) : json::value(measure.unit);
        object["warning"] = measure.warning ? json_number(*measure.warning) : json::value(nullptr);
        object["critical"] =
            measure.critical ? json_number(*measure.critical) : json::value(nullptr);
        measures.push_back(std::move(object));
    }
    return {{"check", health.check},
            {"status", kJsonNames[static_cast<std::size_t>(health.verdict)]},
            {"exit_code", static_cast<int>(health.verdict)},
            {"message", health.message},
            {"measures", std::move(measures)}};
}

Health failed_health(std::string check, const Error& error) {
    const ExitCode code = exit_code_for(error.code);
    const bool senseless =
        code == ExitCode::usage || code == ExitCode::not_found || code == ExitCode::denied;
    return {
        std::move(check), senseless ? Verdict::unknown : Verdict::critical, error.message(), {}};
}

}  // namespace casc::admin
