#include "bars.hpp"

#include "case_list.hpp"
#include "suite_plan.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace casc::bench::suite;
using casc::bench::compare::CaseResult;
using casc::bench::compare::Comparison;
using casc::bench::compare::Entry;
using casc::bench::compare::Question;
using casc::bench::compare::Sample;

namespace {

Entry entry_of(std::string name, std::vector<Sample> rounds) {
    Entry entry{std::move(name), {}, {}, {}};
    entry.rounds.assign(rounds.begin(), rounds.end());
    return entry;
}

Comparison with_case(casc::bench::compare::Case asked, std::vector<Entry> entries) {
    Comparison comparison;
    comparison.cases.push_back({asked, std::move(entries), {}});
    return comparison;
}

Bar bar_named(const std::vector<Bar>& bars, std::string_view figure) {
    const auto found = std::ranges::find(bars, figure, &Bar::figure);
    if (found == bars.end()) throw std::runtime_error("no bar " + std::string(figure));
    return *found;
}

boost::json::value report_with_rate(double rate) {
    return {{"events_per_second", rate}};
}

boost::json::value report_with_median(double us) {
    return {{"latency_us", {{"p50", us}}}};
}

}  // namespace

TEST_CASE("bench/bars: a ratio is over the fastest of those whom the bar names") {
    const Comparison comparison = with_case(
        {.question = Question::produce, .payload_bytes = 100},
        {entry_of("casc", {{800, 0, 0}, {600, 0, 0}}), entry_of("redis", {{100, 0, 0}, {50, 0, 0}}),
         entry_of("rabbitmq", {{200, 0, 0}, {100, 0, 0}}),
         entry_of("zeromq", {{9000, 0, 0}, {9000, 0, 0}})});
    const Bar bar =
        bar_named(bars_of(comparison, {}), "durable produce, 100 B, over who does not sync");
    CHECK(bar.over == "rabbitmq");
    REQUIRE(bar.ratio);
    CHECK(*bar.ratio == doctest::Approx(5));  // of 4 and 6
    CHECK_FALSE(bar.is_reached());            // asks for 6
}

TEST_CASE("bench/bars: of times the shortest is the best, and at most the bar is enough") {
    const Comparison comparison =
        with_case({.question = Question::e2e, .payload_bytes = 1024},
                  {entry_of("casc", {{0, 30, 90}}), entry_of("redis", {{0, 60, 300}}),
                   entry_of("nats", {{0, 90, 80}})});
    const std::vector<Bar> bars = bars_of(comparison, {});
    const Bar median = bar_named(bars, "end to end, memory topic, p50");
    CHECK(median.over == "redis");
    CHECK(*median.ratio == doctest::Approx(0.5));
    CHECK(median.is_reached());
    const Bar tail = bar_named(bars, "end to end, memory topic, p99");
    CHECK(tail.over == "nats");
    CHECK_FALSE(tail.is_reached());
}

TEST_CASE("bench/bars: what nobody has measured has no figure, and is not reached") {
    for (const Bar& bar : bars_of({}, {})) {
        CHECK_MESSAGE(!bar.ratio, bar.figure);
        CHECK_FALSE(bar.is_reached());
    }
    const Comparison alone = with_case({.question = Question::produce, .payload_bytes = 100},
                                       {entry_of("casc", {{800, 0, 0}})});
    const Bar bar = bar_named(bars_of(alone, {}), "durable produce, 100 B, over who does not sync");
    CHECK(bar.over.empty());
    CHECK_FALSE(bar.ratio);
}

TEST_CASE("bench/bars: beside company a share of what it is alone is left, of times, too") {
    Reports reports;
    const Accompanied& rate = kAccompanied[0];
    const Accompanied& time = kAccompanied[1];
    REQUIRE(time.is_time);
    reports[std::string(rate.name)] = {report_with_rate(100), nullptr, report_with_rate(10)};
    reports[step_name(rate, kCompanies[0])] = {report_with_rate(90), report_with_rate(1),
                                               report_with_rate(7)};
    reports[std::string(time.name)] = {report_with_median(50)};
    reports[step_name(time, kCompanies[1])] = {report_with_median(100)};
    const std::vector<Bar> bars = bars_of({}, reports);
    const Bar rates = bar_named(bars, step_name(rate, kCompanies[0]));
    CHECK(*rates.ratio == doctest::Approx(0.8));  // of 0.9 and 0.7; the second round has no pair
    CHECK(rates.is_reached());
    CHECK(*bar_named(bars, step_name(time, kCompanies[1])).ratio == doctest::Approx(0.5));
    CHECK_FALSE(bar_named(bars, step_name(time, kCompanies[0])).ratio);
}

TEST_CASE("bench/bars: shares of the machine's limits are read from the reports") {
    Reports reports;
    reports[std::string(kStorageStep)] = {{{"share_of_limit", 0.7}}};
    reports[std::string(kRingStep)] = {
        {{"details",
          {{"cases",
            {{{"pattern", "batched"}, {"item_bytes", 8}, {"ratio_to_best_peer", 1.5}},
             {{"pattern", "single"}, {"item_bytes", 8}, {"ratio_to_best_peer", 3}},
             {{"pattern", "batched"}, {"item_bytes", 64}, {"ratio_to_best_peer", 1.1}}}}}}}};
    reports[std::string(kE2eStep)] = {{{"details",
                                        {{"durable_us", {{"p50", 300}}},
                                         {"device_durable_write_us", {{"p50", 100}}},
                                         {"ping_pong_us", {{"p50", 100}}}}}}};
    const std::vector<Bar> bars = bars_of({}, reports);
    CHECK(bar_named(bars, "the durable log alone").is_reached());
    CHECK(bar_named(bars, "ring, batched, 8 B").is_reached());
    CHECK_FALSE(bar_named(bars, "ring, batched, 64 B").is_reached());
    CHECK_FALSE(bar_named(bars, "ring, round_trip, 8 B").ratio);
    CHECK(*bar_named(bars, "end to end, durable topic, p50").ratio == doctest::Approx(1.2));
}

TEST_CASE(
    "bench/bars: every bar with a peer has its case, in the brief comparison and in the full one") {
    for (const bool is_full : {false, true}) {
        Comparison comparison;
        for (const auto& asked : casc::bench::compare::cases_of(comparison_of(is_full, 1))) {
            CaseResult result{asked, {}, {}};
            for (const char* name : {"casc", "redis", "nats", "rabbitmq", "zeromq"})
                result.entries.push_back(entry_of(name, {{1, 1, 1}}));
            comparison.cases.push_back(std::move(result));
        }
        std::size_t with_peers = 0;
        for (const Bar& bar : bars_of(comparison, {}))
            with_peers += bar.ratio ? 1 : 0;
        CHECK(with_peers == 14);
    }
}

TEST_CASE("bench/suite: no two steps share a name, and each bar's step is among them") {
    std::set<std::string> names;
    for (const Step& step : steps_of(false, true))
        CHECK_MESSAGE(names.insert(step.name).second, step.name);
    for (const std::string_view step :
         {kStorageStep, kRingStep, kConsumeStep, kE2eStep, kIngestStep})
        CHECK_MESSAGE(names.contains(std::string(step)), step);
}
