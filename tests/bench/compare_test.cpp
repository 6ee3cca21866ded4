// casc-bench compare as it is run, against whatever peers are here: ZeroMQ always is.

#include "bench_run.hpp"
#include "text.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

using namespace casc::bench::compare;
using casc::test::BenchRun;
using casc::test::contains;
using casc::test::run_bench;

namespace {

namespace json = boost::json;

// One short round, with a broker that needs little room, and programs from `path`.
BenchRun run_compare(std::vector<std::string> words, const std::string& path) {
    std::vector<std::string> all{"compare", "--rounds", "1", "--seconds", "0.2"};
    for (const char* const setting :
         {"storage.journal_segment_bytes=4MiB", "storage.journal_segments_min=2",
          "storage.checkpoint_bytes=2MiB", "storage.reserve_bytes=64MiB",
          "limits.frame_bytes=2MiB"}) {
        all.emplace_back("--set");
        all.emplace_back(setting);
    }
    all.insert(all.end(), words.begin(), words.end());
    return run_bench(std::move(all), {"PATH=" + path});
}

const json::object& contestant_of(const json::value& report, const std::string& name) {
    for (const json::value& contestant : report.at("cases").at(0).at("contestants").as_array()) {
        if (contestant.at("name").as_string() == name) return contestant.as_object();
    }
    throw std::runtime_error("no contestant " + name);
}

}  // namespace

TEST_CASE("bench/compare: every sample, its guarantee and the ratio are in the JSON") {
    const BenchRun run =
        run_compare({"--peers", "zeromq", "--workloads", "request", "-o", "json"}, "/usr/bin");
    REQUIRE_MESSAGE(run.code == 0, run.log);
    const json::value report = json::parse(run.out);
    const json::object& casc = contestant_of(report, "casc");
    const json::object& zeromq = contestant_of(report, "zeromq");
    CHECK_FALSE(casc.at("guarantee").as_string().empty());
    CHECK_FALSE(zeromq.at("configuration").as_string().empty());
    const auto p50 = [](const json::object& contestant) {
        return contestant.at("rounds").at(0).at("latency_us_p50").to_number<double>();
    };
    CHECK(p50(casc) > 0);
    CHECK(p50(zeromq) > 0);
    CHECK(zeromq.at("metrics").at("p50 us").at("casc_over_it").at("median").to_number<double>() ==
          doctest::Approx(p50(casc) / p50(zeromq)));
    CHECK(report.at("skipped").as_array().empty());
}

TEST_CASE("bench/compare: who is not installed is named with the reason and the remedy") {
    const BenchRun run = run_compare({"--workloads", "produce", "-o", "json"}, "");
    REQUIRE_MESSAGE(run.code == 0, run.log);
    const json::value report = json::parse(run.out);
    const json::array& skipped = report.at("skipped").as_array();
    REQUIRE(skipped.size() == 3);
    for (const json::value& peer : skipped) {
        CHECK(contains(std::string(peer.at("reason").as_string()), "there is no program"));
        CHECK(contains(std::string(peer.at("remedy").as_string()), "apt-get install"));
    }
    // casc has a second line here, which says that it promises less.
    const json::object& memory = contestant_of(report, "casc (acks=memory)");
    CHECK(contains(std::string(memory.at("guarantee").as_string()), "can be lost"));
    CHECK(memory.at("rounds").at(0).at("events_per_second").to_number<double>() > 0);
    CHECK(report.at("cases").at(1).at("producers").to_number<int>() == 16);
    // It has no such thing, which is something else.
    CHECK(report.at("cases").at(0).at("have_no_such_thing").at(0).as_string() == "zeromq");
}

TEST_CASE("bench/compare: volatile events come from sixteen producers, too") {
    const BenchRun run =
        run_compare({"--peers", "zeromq", "--workloads", "volatile", "-o", "json"}, "/usr/bin");
    REQUIRE_MESSAGE(run.code == 0, run.log);
    const json::value report = json::parse(run.out);
    const json::value& fan_in = report.at("cases").at(2);
    CHECK(fan_in.at("name").as_string() == "volatile, 100 B, 16 to 1");
    // casc's second line is none here.
    REQUIRE(fan_in.at("contestants").as_array().size() == 2);
    for (const json::value& contestant : fan_in.at("contestants").as_array())
        CHECK(contestant.at("rounds").at(0).is_object());
    CHECK(fan_in.at("have_no_such_thing").as_array().empty());
}

TEST_CASE("bench/compare: the table has the numbers, the guarantees and who is not there") {
    const BenchRun run = run_compare({"--workloads", "request", "--peers", "redis"}, "");
    REQUIRE_MESSAGE(run.code == 0, run.log);
    CHECK(contains(run.out, "request, 100 B, 64 in flight, events/s"));
    CHECK(contains(run.out, "kept nowhere; who asked is told when nobody answers"));
    CHECK(contains(run.out, "skipped: redis: there is no program 'redis-server'"));
}

TEST_CASE("bench/compare: what turns rankings round is put beside casc where its workload has it") {
    const BenchRun run = run_compare({"--workloads", "request", "--peers", "zeromq", "--keys", "5",
                                      "--idle-connections", "20", "-o", "json"},
                                     "/usr/bin");
    REQUIRE_MESSAGE(run.code == 0, run.log);
    const json::value report = json::parse(run.out);
    CHECK(report.at("flips").as_string() == " --keys 5 --idle-connections 20");
    const std::string configuration(contestant_of(report, "casc").at("configuration").as_string());
    CHECK(contains(configuration, " --idle-connections 20"));
    CHECK_FALSE(contains(configuration, "--keys"));
    CHECK(report.at("cases").at(0).at("idle_connections").to_number<int>() == 20);
}

TEST_CASE("bench/compare: a flip that makes no sense is refused before anything is measured") {
    const BenchRun run = run_compare({"--partitions", "none"}, "/usr/bin");
    CHECK(run.code != 0);
    CHECK(contains(run.log, "--partitions"));
}

TEST_CASE("bench/compare: a Kafka that cannot be reached is named with its address") {
    const BenchRun run = run_compare(
        {"--workloads", "consume-log", "--peers", "zeromq", "--kafka", "127.0.0.1:1"}, "/usr/bin");
    REQUIRE_MESSAGE(run.code == 0, run.log);
    CHECK(contains(run.out, "skipped: kafka: no Kafka broker answers at 127.0.0.1:1"));
}

TEST_CASE("bench/compare: a peer that nobody knows is refused") {
    const BenchRun run = run_compare({"--peers", "nobody"}, "/usr/bin");
    CHECK(run.code != 0);
    CHECK(contains(run.log, "nobody"));
}
