// casc-bench suite as it is run, at one of its shorter steps.

#include "bench_run.hpp"
#include "text.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

using casc::test::BenchRun;
using casc::test::contains;
using casc::test::run_bench;

namespace {

namespace json = boost::json;

BenchRun run_suite(std::vector<std::string> words) {
    std::vector<std::string> all{"suite", "--no-peers", "--rounds",
                                 "1",     "--only",     "volatile ingest"};
    all.insert(all.end(), words.begin(), words.end());
    return run_bench(std::move(all));
}

}  // namespace

TEST_CASE(
    "bench/suite: a step's report and its bar are in the JSON, and the other bars are empty") {
    const BenchRun run = run_suite({"-o", "json"});
    REQUIRE_MESSAGE(run.code == 0, run.log);
    const json::value result = json::parse(run.out);
    const json::value& report = result.at("reports").at("volatile ingest").at(0);
    CHECK(report.at("parameters").at("durability").as_string() == "volatile");
    CHECK_FALSE(report.at("details").as_object().contains("read_back"));
    std::size_t measured = 0;
    for (const json::value& bar : result.at("bars").as_array()) {
        if (bar.at("ratio").is_null()) continue;
        ++measured;
        CHECK(bar.at("ratio").as_double() == report.at("share_of_limit").as_double());
    }
    CHECK(measured == 1);
    CHECK(contains(run.log, "round 1 of 1: volatile ingest"));
}

TEST_CASE("bench/suite: a step that fails is named with its reason, and the exit code says so") {
    const BenchRun run = run_suite({"--set", "no.such_setting=1"});
    CHECK(run.code == 1);
    CHECK(contains(run.out, "failed: volatile ingest: casc-bench: it ended with exit code"));
    CHECK(contains(run.out, "no.such_setting"));
    CHECK(
        contains(run.out, "| ingest into a volatile topic, 1 KiB | one TCP stream | not measured"));
}
