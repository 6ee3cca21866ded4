#pragma once
// Requests to a stage at the times at which they should come, whether it keeps up or not.

#include "histogram.hpp"

#include <casc/gpu/engine.hpp>
#include <casc/gpu/random_model.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace casc::bench {

struct InferPlan {
    double requests_per_second = 0;
    std::chrono::nanoseconds duration{};
    std::chrono::nanoseconds deadline{};  // of a request, from when it should come
    // Evenly between these.
    std::array<std::uint32_t, 2> prompt_tokens{16, 112};
    std::array<std::uint32_t, 2> answer_tokens{8, 56};
    std::uint32_t vocabulary_size = 0;
};

// One request in advance, so that every way of serving gets the same ones.
struct PlannedRequest {
    std::chrono::nanoseconds at{};  // from the beginning
    gpu::GenerateRequest request;
};
// A tenth of them critical, two high, five normal, two low; in between it is random (a Poisson
// process).
[[nodiscard]] std::vector<PlannedRequest> planned_requests(const InferPlan& plan,
                                                           std::uint64_t seed);

// Times from when a request should have come, in nanoseconds.
struct InferOutcome {
    double seconds = 0;
    std::uint64_t asked = 0;
    std::uint64_t answered = 0;
    std::uint64_t late = 0;  // their deadline came
    std::uint64_t rejected = 0;
    std::uint64_t failed = 0;
    std::string trouble;  // of the first that failed
    std::uint64_t answer_tokens = 0;
    Histogram first_token;
    Histogram per_token;  // after the first one, of each answer the mean
    std::array<Histogram, kLaneCount> request;
    std::shared_ptr<const gpu::EngineMetrics> metrics;
};

// Until all are answered. The engine works on a thread of its own. `watch` is told from time to
// time how many are.
[[nodiscard]] InferOutcome load_stage(std::unique_ptr<gpu::Engine> engine, const InferPlan& plan,
                                      const std::vector<PlannedRequest>& requests,
                                      const std::function<void(std::uint64_t answered)>& watch);

}  // namespace casc::bench
