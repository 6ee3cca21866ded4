#include "metrics_json.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <array>

using namespace casc;
using namespace casc::inference;

TEST_CASE("inference/metrics_json: a percentile lies where that share ends") {
    constexpr std::array<std::uint64_t, 3> limits{10, 20, 40};
    const auto at = [&](std::array<std::uint64_t, 4> counts, double share) {
        return value_at(limits, counts, share);
    };
    CHECK(at({0, 0, 0, 0}, 0.5) == 0);
    CHECK(at({10, 0, 0, 0}, 0.5) == doctest::Approx(5));
    CHECK(at({10, 10, 0, 0}, 0.5) == doctest::Approx(10));
    CHECK(at({10, 10, 0, 0}, 0.75) == doctest::Approx(15));
    CHECK(at({0, 0, 8, 0}, 1.0) == doctest::Approx(40));
    CHECK(at({0, 0, 0, 5}, 0.5) == doctest::Approx(40));
    CHECK(at({99, 0, 0, 1}, 0.999) == doctest::Approx(40));
}

TEST_CASE("inference/metrics_json: a model that has done nothing has no averages") {
    const ModelMetrics model{.model = {"sections", "1"},
                             .state = "ready",
                             .backend = "cpu",
                             .load_seconds = 0.1,
                             .memory_bytes = 7,
                             .counts = {},
                             .engine = std::make_shared<gpu::EngineMetrics>()};
    const boost::json::object stats = stats_of(model);
    CHECK(stats.at("batch_mean").as_double() == 0);
    CHECK(stats.at("first_token_ms").at("p99").as_double() == 0);
    CHECK(stats.at("lanes").at("critical").at("waiting").to_number<int>() == 0);
}

TEST_CASE("inference/metrics_json: numbers are those of the engine") {
    auto engine = std::make_shared<gpu::EngineMetrics>();
    engine->steps.add(4);
    for (const std::uint64_t size : {1, 2, 2, 200})
        engine->batch_size.record(size);
    engine->first_token.record(3'000'000);
    engine->of(gpu::Outcome::timeout).add(2);
    engine->fired[static_cast<std::size_t>(gpu::FireReason::deadline)].add(3);
    const ModelMetrics model{.model = {"m", "1"},
                             .state = "ready",
                             .backend = "cpu",
                             .load_seconds = 0,
                             .memory_bytes = 0,
                             .counts = {},
                             .engine = engine};
    const boost::json::object stats = stats_of(model);
    CHECK(stats.at("batch_mean").as_double() == doctest::Approx(205.0 / 4));
    CHECK(stats.at("batch_sizes").at("2").to_number<int>() == 2);
    CHECK(stats.at("batch_sizes").at("more").to_number<int>() == 1);
    CHECK(stats.at("first_token_ms").at("mean").as_double() == doctest::Approx(3));
    CHECK(stats.at("requests").at("timeout").to_number<int>() == 2);
    CHECK(stats.at("fire_reasons").at("deadline").to_number<int>() == 3);
}
