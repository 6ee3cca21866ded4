#pragma once
// The text of /metrics, looked at line by line.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace casc::test {

// The sum of a metric over all its labels, or -1 when it is not there.
inline double metric(const std::string& page, const std::string& name) {
    std::istringstream lines(page);
    double sum = 0;
    bool found = false;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(name) ||
            (line.size() > name.size() && line[name.size()] != ' ' && line[name.size()] != '{')) {
            continue;
        }
        sum += std::stod(line.substr(line.rfind(' ') + 1));
        found = true;
    }
    return found ? sum : -1;
}

// Every word that is a metric's name: casc_... and process_....
inline std::set<std::string> metric_names(const std::string& text) {
    const std::regex word("\\b(casc|process)_[a-z_]+\\b");
    return {std::sregex_token_iterator(text.begin(), text.end(), word),
            std::sregex_token_iterator()};
}

// Every family has its type and help, and every sample belongs to one. How many samples there are.
inline std::size_t check_families(const std::string& page) {
    std::istringstream lines(page.substr(page.find("\r\n\r\n") + 4));
    std::string family;
    std::size_t samples = 0;
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            CHECK((family.starts_with("casc_") || family.starts_with("process_")));
        } else if (line.starts_with("# TYPE ")) {
            CHECK(line.substr(7, family.size()) == family);
            CHECK((line.ends_with(" counter") == family.ends_with("_total")));
        } else {
            CHECK(line.starts_with(family));
            ++samples;
        }
    }
    return samples;
}

// Alerts and dashboards: the metrics that they name exist.
inline void check_metrics_named_in(const std::filesystem::path& file, const std::string& page) {
    CAPTURE(file);
    std::ifstream in(file);
    std::ostringstream text;
    text << in.rdbuf();
    std::size_t named = 0;
    for (const std::string& name : metric_names(text.str())) {
        CAPTURE(name);
        CHECK(metric(page, name) >= 0);
        ++named;
    }
    CHECK(named >= 8);
}

}  // namespace casc::test
