#include "model_health.hpp"

#include <algorithm>
#include <array>

namespace casc::inference {
namespace {

// Errors that say something of the request, or of who asks, and nothing of the model.
constexpr std::array kExcluded{ErrorCode::invalid_request, ErrorCode::cancelled,
                               ErrorCode::shutting_down, ErrorCode::overloaded,
                               ErrorCode::event_too_large};

client::CircuitBreakerOptions breaker_of(const FallbackSettings& settings) {
    client::CircuitBreakerOptions options;
    options.failures_to_open = settings.failures_max;
    options.open_for = settings.open_for;
    options.excluded.assign(kExcluded.begin(), kExcluded.end());
    // It works, only not so fast: the rate of errors counts them.
    options.excluded.push_back(ErrorCode::model_overloaded);
    return options;
}

client::FallbackOptions fallback_of(const FallbackSettings& settings) {
    client::FallbackOptions options;
    options.error_rate_max = settings.error_rate_max;
    options.latency_p99_max = settings.latency_p99_max;
    return options;
}

}  // namespace

ModelHealth::ModelHealth(const FallbackSettings& settings)
    : breaker_(breaker_of(settings)), fallback_(fallback_of(settings)) {}

std::optional<ModelHealth::Asked> ModelHealth::ask(Time now) {
    if (is_given_up_) return {};
    if (fallback_.choose(breaker_.state(now), now) != client::FallbackReason::none) return {};
    const auto pass = breaker_.admit(now);
    if (!pass) return {};  // half open, and others are trying already
    return Asked{*pass, now};
}

void ModelHealth::record(const Asked& asked, ErrorCode outcome, Time now) {
    breaker_.record(asked.pass, outcome, now);
    if (std::ranges::find(kExcluded, outcome) == kExcluded.end())
        fallback_.record(outcome == ErrorCode::ok, now - asked.at, now);
}

}  // namespace casc::inference
