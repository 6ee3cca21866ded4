#pragma once
// casc/inference/model_settings.hpp: how a model is served: the file casc-model.toml beside its
// config.json. Without that file everything is as below.
//
//   topic = "packages"              # requests that are events; their answers go to
//   results = "sections"
//   subject = "infer.sections"      # requests that are calls
//   max_batch = 32
//   max_wait_ms = 100
//   [[fallback]]                    # who is asked in its place, one after the other
//   subject = "infer.small"
//   [[fallback]]
//   subject = "infer.sections"
//   endpoint = "tcp://other:7070"

#include <casc/gpu/batch_policy.hpp>
#include <casc/inference/fallback_settings.hpp>
#include <casc/types/result.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace casc::inference {

struct ModelSettings {
    std::string topic;                          // empty: no events
    std::string results;                        // with a topic: a durable topic for the answers
    std::string group;                          // empty: "inference.<name>"
    std::string subject;                        // empty: "infer.<name>"
    std::chrono::milliseconds timeout{30'000};  // timeout_ms, of requests that do not say
    gpu::BatchPolicy batches;          // max_batch, max_wait_ms, queue_capacity, step_objective_ms
    std::string backend = "auto";      // see gpu::BackendChoice
    std::uint32_t context_tokens = 0;  // of a request and its answer; 0: what the model can
    std::uint32_t prompt_tokens_per_step = 512;
    std::uint32_t threads = 0;  // of the cpu backend; 0: as many as it may have processors
    std::uint32_t device = 0;   // of the cuda backend, as CUDA counts them
    // By default what is available when it is loaded.
    std::uint64_t memory_max_bytes = std::numeric_limits<std::uint64_t>::max();
    FallbackSettings fallback;  // fallback_error_rate, _latency_p99_ms, _failures, _open_ms
};

// Fails with: invalid_config, with `file`, line, key and what is wrong with it.
[[nodiscard]] Result<ModelSettings> parse_settings(std::string_view toml, std::string_view file);

}  // namespace casc::inference
