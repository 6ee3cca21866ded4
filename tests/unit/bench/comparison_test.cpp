#include "comparison_output.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace casc::bench::compare;

namespace {

const Metric kRate{"events/s", &Sample::events_per_second, true};

Entry entry_with_rates(std::string name, std::vector<std::optional<double>> rates) {
    Entry entry{std::move(name), {}, {}, {}};
    for (const std::optional<double> rate : rates)
        entry.rounds.push_back(rate ? std::optional(Sample{*rate, 0, 0}) : std::nullopt);
    return entry;
}

}  // namespace

TEST_CASE("bench/comparison: the median of a contestant is over the rounds that it has") {
    const auto spread = spread_of(entry_with_rates("a", {4, 1, std::nullopt, 2}), kRate);
    REQUIRE(spread);
    CHECK(spread->median == 2);
    CHECK(spread->least == 1);
    CHECK(spread->most == 4);
    CHECK_FALSE(spread_of(entry_with_rates("a", {std::nullopt}), kRate));
}

TEST_CASE("bench/comparison: ratios are taken within each round, and then their median") {
    // A machine that became ten times slower: 2, 3 and 4 times, whatever the medians are.
    const auto ratios = ratios_of(entry_with_rates("casc", {200, 30, 4}),
                                  entry_with_rates("peer", {100, 10, 1}), kRate);
    REQUIRE(ratios);
    CHECK(ratios->median == doctest::Approx(3));
    CHECK(ratios->least == doctest::Approx(2));
    CHECK(ratios->most == doctest::Approx(4));
}

TEST_CASE("bench/comparison: a round that one of the two has not is no ratio") {
    const auto ratios = ratios_of(entry_with_rates("casc", {std::nullopt, 30, 8}),
                                  entry_with_rates("peer", {100, std::nullopt, 4}), kRate);
    REQUIRE(ratios);
    CHECK(ratios->median == doctest::Approx(2));
    CHECK_FALSE(ratios_of(entry_with_rates("casc", {1}), entry_with_rates("peer", {0}), kRate));
}

TEST_CASE("bench/comparison: cases of one run have names of their own") {
    CHECK(Case{Question::produce, 100}.name() == "produce, 100 B");
    CHECK(Case{Question::consume, 1024}.name() == "consume, 1 KiB");
    CHECK(Case{Question::request, 100, 64}.name() == "request, 100 B, 64 in flight");
    CHECK(Case{Question::volatile_, 100, 16}.name() == "volatile, 100 B, 1 to 16");
    CHECK(Case{.question = Question::volatile_, .producer_count = 16}.name() ==
          "volatile, 100 B, 16 to 1");
    CHECK(
        Case{.question = Question::produce, .payload_bytes = 65536, .producer_count = 16}.name() ==
        "produce, 64 KiB, 16 producers");
}

TEST_CASE("bench/comparison: of latencies less is better, of rates more") {
    CHECK(metrics_of({Question::produce}).front().is_more_better);
    for (const Metric& metric : metrics_of({Question::e2e}))
        CHECK_FALSE(metric.is_more_better);
}

TEST_CASE("bench/comparison: casc's second line is held against peers, and not against casc") {
    CaseResult result{
        {Question::produce},
        {entry_with_rates("casc", {10}), entry_with_rates(std::string(kCascMemoryName), {30}),
         entry_with_rates("peer", {60})},
        {}};
    const auto ratios = memory_ratios_of(result, result.entries[2], kRate);
    REQUIRE(ratios);
    CHECK(ratios->median == doctest::Approx(0.5));
    CHECK_FALSE(memory_ratios_of(result, result.entries[0], kRate));
    CHECK_FALSE(memory_ratios_of(result, result.entries[1], kRate));
    result.entries.erase(result.entries.begin() + 1);
    CHECK(result.memory_line() == nullptr);
    CHECK_FALSE(memory_ratios_of(result, result.entries[1], kRate));
}

TEST_CASE("bench/comparison: a picture has a bar for each ratio, and no more") {
    Comparison comparison;
    Entry casc = entry_with_rates("casc", {10});
    Entry peer = entry_with_rates("a<b", {20});
    Entry failed = entry_with_rates("failed", {std::nullopt});
    const Entry memory = entry_with_rates(std::string(kCascMemoryName), {80});
    comparison.cases.push_back({{Question::produce}, {casc, memory, peer, failed}, {}});
    const auto folder =
        std::filesystem::temp_directory_path() / ("casc-charts-" + std::to_string(::getpid()));
    const auto files = write_charts(comparison, folder);
    REQUIRE(files.size() == 1);
    std::ifstream in(files.front());
    const std::string picture(std::istreambuf_iterator<char>(in), {});
    std::filesystem::remove_all(folder);
    CHECK(picture.find("produce, 100 B, events/s / a&lt;b") != picture.npos);
    CHECK(picture.find(">0.50<") != picture.npos);
    CHECK(picture.find("acks=memory / a&lt;b") != picture.npos);
    CHECK(picture.find(">4.00<") != picture.npos);
    CHECK(picture.find("/ casc") == picture.npos);
    CHECK(picture.find("failed") == picture.npos);
}
