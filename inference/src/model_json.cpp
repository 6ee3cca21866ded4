#include "model_json.hpp"

#include <boost/json.hpp>

#include <chrono>

namespace casc::inference {

namespace json = boost::json;

namespace {

std::int64_t millis_of(std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

json::object object_of(const gpu::ModelConfig& config) {
    return {{"kind", config.kind},
            {"layers", config.layer_count},
            {"hidden_size", config.hidden_size},
            {"inner_size", config.inner_size},
            {"heads", config.head_count},
            {"kv_heads", config.kv_head_count},
            {"head_size", config.head_size},
            {"vocabulary", config.vocabulary_size},
            {"context_tokens", config.context_tokens},
            {"labels", json::value_from(config.labels)}};
}

json::object object_of(const ModelSettings& settings) {
    return {{"timeout_ms", settings.timeout.count()},
            {"max_batch", settings.batches.max_batch},
            {"max_wait_ms", millis_of(settings.batches.max_wait)},
            {"queue_capacity", settings.batches.queue_capacity},
            {"step_objective_ms", millis_of(settings.batches.step_objective)},
            {"context_tokens", settings.context_tokens},
            {"prompt_tokens_per_step", settings.prompt_tokens_per_step},
            {"threads", settings.threads},
            {"fallback_error_rate", settings.fallback.error_rate_max},
            {"fallback_latency_p99_ms", settings.fallback.latency_p99_max.count()},
            {"fallback_failures", settings.fallback.failures_max},
            {"fallback_open_ms", settings.fallback.open_for.count()}};
}

}  // namespace casc::inference
