#include "metrics_json.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace casc::inference {
namespace {

namespace json = boost::json;

constexpr double kNanosPerMilli = 1e6;

template <class Distribution>
std::vector<std::uint64_t> counts_of(const Distribution& values) {
    std::vector<std::uint64_t> counts;
    for (std::size_t i = 0; i <= values.limits().size(); ++i)
        counts.push_back(values.count_in(i));
    return counts;
}

json::object times_of(const gpu::Times& times) {
    const auto counts = counts_of(times);
    const std::uint64_t count = times.count();
    const auto at = [&](double share) {
        return value_at(times.limits(), counts, share) / kNanosPerMilli;
    };
    const double mean =
        count == 0 ? 0
                   : static_cast<double>(times.sum()) / static_cast<double>(count) / kNanosPerMilli;
    return {{"count", count}, {"mean", mean}, {"p50", at(0.5)}, {"p99", at(0.99)}};
}

// {"1": 20, "2": 7, …}; "more" is beyond the last limit.
json::object sizes_of(const gpu::BatchSizes& sizes) {
    json::object all;
    const auto& limits = sizes.limits();
    for (std::size_t i = 0; i < limits.size(); ++i)
        all[std::to_string(limits[i])] = sizes.count_in(i);
    all["more"] = sizes.count_in(limits.size());
    return all;
}

json::object outcomes_of(const gpu::EngineMetrics& metrics) {
    json::object all;
    for (std::size_t i = 0; i < gpu::kOutcomeNames.size(); ++i)
        all[gpu::kOutcomeNames[i]] = metrics.outcomes[i].value();
    return all;
}

json::object reasons_of(const gpu::EngineMetrics& metrics) {
    json::object all;
    for (const gpu::FireReason reason : gpu::kFireReasons)
        all[to_string(reason)] = metrics.of(reason).value();
    return all;
}

json::object lanes_of(const gpu::EngineMetrics& metrics) {
    json::object all;
    for (const Lane lane : kLanes) {
        const auto i = static_cast<std::size_t>(lane);
        all[to_string(lane)] = {{"waiting", metrics.waiting[i].value()},
                                {"queue_ms", times_of(metrics.queued[i])}};
    }
    return all;
}

}  // namespace

double value_at(std::span<const std::uint64_t> limits, std::span<const std::uint64_t> counts,
                double share) {
    std::uint64_t all = 0;
    for (const std::uint64_t count : counts)
        all += count;
    const double wanted = share * static_cast<double>(all);
    double below = 0;
    double low = 0;
    for (std::size_t i = 0; i < limits.size(); ++i) {
        const double count = static_cast<double>(counts[i]);
        const double high = static_cast<double>(limits[i]);
        if (count > 0 && below + count >= wanted)
            return low + (high - low) * std::clamp((wanted - below) / count, 0.0, 1.0);
        below += count;
        low = high;
    }
    return all == 0 ? 0 : low;
}

json::object stats_of(const ModelMetrics& model) {
    const gpu::EngineMetrics& metrics = *model.engine;
    return {{"name", model.model.name},
            {"version", model.model.version},
            {"state", model.state},
            {"backend", model.backend},
            {"requests", outcomes_of(metrics)},
            {"fallbacks", model.counts.fallbacks},
            {"running", metrics.running.value()},
            {"slots", metrics.slots},
            {"cached_tokens", metrics.cached_tokens.value()},
            {"cache_tokens", metrics.cache_tokens},
            {"lanes", lanes_of(metrics)},
            {"steps", metrics.steps.value()},
            {"failed_steps", metrics.failed_steps.value()},
            {"batch_sum", metrics.batch_size.sum()},
            {"batch_mean", metrics.batch_mean()},
            {"batch_sizes", sizes_of(metrics.batch_size)},
            {"fire_reasons", reasons_of(metrics)},
            {"joined", metrics.joined.value()},
            {"batch_wait_ms", times_of(metrics.batch_wait)},
            {"prompt_step_ms", times_of(metrics.prompt_step)},
            {"decode_step_ms", times_of(metrics.decode_step)},
            {"first_token_ms", times_of(metrics.first_token)},
            {"per_token_ms", times_of(metrics.per_token)},
            {"request_ms", times_of(metrics.request)},
            {"prompt_tokens", metrics.prompt_tokens.value()},
            {"answer_tokens", metrics.answer_tokens.value()}};
}

}  // namespace casc::inference
