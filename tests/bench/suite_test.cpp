// casc-bench suite as it is run, at one of its shorter steps.

#include "child_process.hpp"
#include "scratch_folder.hpp"
#include "text.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

using namespace casc::bench::compare;
using casc::bench::ScratchFolder;
using casc::test::contains;

namespace {

namespace json = boost::json;

struct SuiteRun {
    int code = -1;
    std::string out;
    std::string log;
};

SuiteRun run_suite(std::vector<std::string> words) {
    const ScratchFolder folder(std::filesystem::current_path());
    Command command{.name = "suite",
                    .program = CASC_BENCH_PATH,
                    .arguments = {"suite", "--no-peers", "--rounds", "1", "--only",
                                  "volatile ingest", "--data-dir", folder.path().string()},
                    .environment = {},
                    .folder = folder.path()};
    command.arguments.insert(command.arguments.end(), words.begin(), words.end());
    ChildProcess bench(std::move(command));
    SuiteRun run;
    run.code = bench.wait(std::chrono::minutes(4));
    run.out = bench.output();
    run.log = bench.log_tail();
    return run;
}

}  // namespace

TEST_CASE(
    "bench/suite: a step's report and its bar are in the JSON, and the other bars are empty") {
    const SuiteRun run = run_suite({"-o", "json"});
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
    const SuiteRun run = run_suite({"--set", "no.such_setting=1"});
    CHECK(run.code == 1);
    CHECK(contains(run.out, "failed: volatile ingest: casc-bench: it ended with exit code"));
    CHECK(contains(run.out, "no.such_setting"));
    CHECK(
        contains(run.out, "| ingest into a volatile topic, 1 KiB | one TCP stream | not measured"));
}
