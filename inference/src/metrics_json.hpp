#pragma once
// inference/src/metrics_json.hpp: what a model has done, for people: shares and percentiles instead
// of counters.

#include <casc/inference/model_host.hpp>

#include <boost/json/object.hpp>

#include <cstdint>
#include <span>

namespace casc::inference {

// The value that `share` of all are at most: inside its part it is as if they lay evenly. 0: there
// is none. What lies beyond the last limit counts as that.
[[nodiscard]] double value_at(std::span<const std::uint64_t> limits,
                              std::span<const std::uint64_t> counts, double share);

// Times in milliseconds, as {"mean", "p50", "p99"}.
[[nodiscard]] boost::json::object stats_of(const ModelMetrics& model);

}  // namespace casc::inference
