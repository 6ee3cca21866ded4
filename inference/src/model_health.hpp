#pragma once
// inference/src/model_health.hpp: whether a model is to be asked, or somebody else in its place.

#include <casc/client/circuit_breaker.hpp>
#include <casc/client/fallback.hpp>
#include <casc/inference/fallback_settings.hpp>

#include <chrono>
#include <optional>

namespace casc::inference {

// Of who answers requests: errors that say something of the request or of who asks, or that there
// is much to do, open no circuit.
[[nodiscard]] client::CircuitBreakerOptions breaker_of(const FallbackSettings& settings);
// Too little for an answer, so that none says nothing.
[[nodiscard]] bool is_short_time(std::chrono::nanoseconds time, const FallbackSettings& settings);

// Thread: one at a time. Time is the caller's, and must not go back.
class ModelHealth {
public:
    using Time = std::chrono::steady_clock::time_point;
    // A request that the model has: what becomes of it is to be recorded.
    struct Asked {
        client::CircuitBreaker::Pass pass;
        Time at;
    };

    explicit ModelHealth(const FallbackSettings& settings);

    // Nothing: somebody else is to be asked.
    [[nodiscard]] std::optional<Asked> ask(Time now);
    // When there is nobody else. Not of one that was given up.
    [[nodiscard]] Asked ask_anyway(Time now) const noexcept { return {{}, now}; }
    void record(const Asked& asked, ErrorCode outcome, Time now);
    // It will not be asked again.
    void give_up() noexcept { is_given_up_ = true; }
    [[nodiscard]] bool is_given_up() const noexcept { return is_given_up_; }

private:
    const FallbackSettings settings_;
    client::CircuitBreaker breaker_;
    client::Fallback fallback_;
    bool is_given_up_ = false;
};

}  // namespace casc::inference
