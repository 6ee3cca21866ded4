#pragma once
// casc/inference/fallback_settings.hpp: who is asked in a model's place, and when.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace casc::inference {

// Another model, the same one on another backend, or one of another broker: whoever serves the
// subject and answers in the format of request_json.hpp.
struct FallbackChoice {
    std::string subject{};
    std::string endpoint{};  // of its broker; empty: this one
};

// The others are asked while the model does badly, and when it fails with a single request.
struct FallbackSettings {
    std::vector<FallbackChoice> choices{};  // in this order, until one answers; empty: nobody
    // Of its last 200 answers within a minute, once there are 20.
    double error_rate_max = 0.1;
    std::chrono::milliseconds latency_p99_max{5000};
    // In a row; then it is not asked for a while, and after that with a few requests at first.
    std::uint32_t failures_max = 5;
    std::chrono::milliseconds open_for{60'000};
};

}  // namespace casc::inference
