#include "model_health.hpp"

#include <algorithm>
#include <array>

namespace casc::inference {
namespace {

constexpr std::array kExcluded{ErrorCode::invalid_request, ErrorCode::cancelled,
                               ErrorCode::shutting_down,   ErrorCode::overloaded,
                               ErrorCode::event_too_large, ErrorCode::model_overloaded};

client::FallbackOptions fallback_of(const FallbackSettings& settings) {
    client::FallbackOptions options;
    options.error_rate_max = settings.error_rate_max;
    options.latency_p99_max = settings.latency_p99_max;
    return options;
}

}  // namespace

client::CircuitBreakerOptions breaker_of(const FallbackSettings& settings) {
    client::CircuitBreakerOptions options;
    options.failures_to_open = settings.failures_max;
    options.open_for = settings.open_for;
    options.excluded.assign(kExcluded.begin(), kExcluded.end());
    return options;
}

bool is_short_time(std::chrono::nanoseconds time, const FallbackSettings& settings) {
    return time < settings.latency_p99_max;
}

ModelHealth::ModelHealth(const FallbackSettings& settings)
    : settings_(settings), breaker_(breaker_of(settings)), fallback_(fallback_of(settings)) {}

std::optional<ModelHealth::Asked> ModelHealth::ask(Time now) {
    if (is_given_up_) return {};
    if (fallback_.choose(breaker_.state(now), now) != client::FallbackReason::none) return {};
    const auto pass = breaker_.admit(now);
    if (!pass) return {};  // half open, and others are trying already
    return Asked{*pass, now};
}

void ModelHealth::record(const Asked& asked, ErrorCode outcome, Time now) {
    if (outcome == ErrorCode::timeout && is_short_time(now - asked.at, settings_))
        outcome = ErrorCode::cancelled;
    breaker_.record(asked.pass, outcome, now);
    // A full line opens no circuit, and yet was no answer.
    const bool counts = outcome == ErrorCode::model_overloaded ||
                        std::ranges::find(kExcluded, outcome) == kExcluded.end();
    if (counts) fallback_.record(outcome == ErrorCode::ok, now - asked.at, now);
}

}  // namespace casc::inference
