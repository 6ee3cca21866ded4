#pragma once
// tools/admin/health.hpp: the verdict of a check, as monitoring systems read it.
// Thread: any (values).

#include "output.hpp"

#include <optional>
#include <string>
#include <vector>

namespace casc::admin {

// The numbers are the exit codes of Nagios plugins.
enum class Verdict : int { ok = 0, warning = 1, critical = 2, unknown = 3 };

// A measured value with its thresholds.
struct Measure {
    std::string name;
    double value = 0;
    std::string unit;  // "B", "ms", or empty
    std::optional<double> warning;
    std::optional<double> critical;
    bool is_floor = false;  // too little is the trouble: a Nagios range "10:"
};

struct Health {
    std::string check;
    Verdict verdict = Verdict::ok;
    std::string message;
    std::vector<Measure> measures;

    // The worse of two verdicts stays; its message too. Unknown is worse than fine and no more.
    void worsen(Verdict to, const std::string& why);
};

// "CASC LAG CRITICAL - group 'a' is 10 behind | a=10;5;10"
[[nodiscard]] std::string nagios_line(const Health& health);
[[nodiscard]] json::object health_json(const Health& health);
// What a check says when the broker did not answer: no connection is a failed check, a question
// that makes no sense an unknown one.
[[nodiscard]] Health failed_health(std::string check, const Error& error);

}  // namespace casc::admin
