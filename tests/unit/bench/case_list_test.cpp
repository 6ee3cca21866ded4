#include "case_list.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace casc::bench::compare;

namespace {

CompareOptions only(std::string workload, bool is_full = false) {
    CompareOptions options;
    options.workloads = {std::move(workload)};
    options.is_full = is_full;
    return options;
}

std::vector<std::string> names_of(const std::vector<Case>& cases) {
    std::vector<std::string> names;
    for (const Case& asked : cases)
        names.push_back(asked.name());
    return names;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

}  // namespace

TEST_CASE("bench/case_list: volatile events go from one to one, to many and from many") {
    CHECK(names_of(cases_of(only("volatile"))) ==
          std::vector<std::string>{"volatile, 100 B, 1 to 1", "volatile, 100 B, 1 to 16",
                                   "volatile, 100 B, 16 to 1"});
}

TEST_CASE("bench/case_list: one producer and sixteen; at more sizes when all is asked for") {
    CHECK(names_of(cases_of(only("produce"))) ==
          std::vector<std::string>{"produce, 100 B", "produce, 100 B, 16 producers",
                                   "produce, 1 KiB"});
    const auto full = names_of(cases_of(only("produce", true)));
    CHECK(has(full, "produce, 1 KiB, 16 producers"));
    CHECK(has(full, "produce, 64 KiB"));
    CHECK(has(full, "produce, 64 KiB, 16 producers"));
}

TEST_CASE("bench/case_list: events of 64 KiB that nobody stores go from one to one") {
    const auto full = names_of(cases_of(only("volatile", true)));
    CHECK(has(full, "volatile, 64 KiB, 1 to 1"));
    CHECK_FALSE(has(full, "volatile, 64 KiB, 1 to 16"));
    CHECK_FALSE(has(full, "volatile, 64 KiB, 16 to 1"));
}

TEST_CASE("bench/case_list: a brief comparison leaves out what takes long, unless it is named") {
    CompareOptions options;
    options.is_brief = true;
    const auto names = names_of(cases_of(options));
    CHECK(has(names, "produce, 100 B"));
    CHECK(has(names, "volatile, 100 B, 1 to 16"));
    CHECK_FALSE(has(names, "produce, 100 B, 16 producers"));
    CHECK_FALSE(has(names, "queue, 100 B"));
    options.workloads = {"queue"};
    CHECK(has(names_of(cases_of(options)), "queue, 100 B"));
}

TEST_CASE("bench/case_list: every case of the longest run has a name of its own") {
    CompareOptions options;
    options.is_full = true;
    const auto names = names_of(cases_of(options));
    CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}

TEST_CASE("bench/case_list: --sync leaves out what peers acknowledge before they sync") {
    CompareOptions options;
    options.syncs = true;
    const auto names = names_of(cases_of(options));
    CHECK_FALSE(has(names, "produce, 100 B"));
    CHECK(has(names, "produce-fsync, 100 B"));
    options.workloads = {"produce"};
    CHECK_THROWS_AS(cases_of(options), std::runtime_error);
}

TEST_CASE("bench/case_list: --seconds is what every case takes") {
    CompareOptions options = only("request");
    options.duration = std::chrono::milliseconds(250);
    for (const Case& asked : cases_of(options))
        CHECK(asked.duration == std::chrono::milliseconds(250));
}
