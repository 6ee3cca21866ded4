#include <casc/client/fallback.hpp>

#include <algorithm>

namespace casc::client {

std::string_view to_string(FallbackReason reason) noexcept {
    switch (reason) {
        case FallbackReason::none:
            return "none";
        case FallbackReason::error_rate:
            return "error rate";
        case FallbackReason::latency:
            return "latency";
        case FallbackReason::circuit_open:
            return "circuit open";
    }
    return "";
}

FallbackReason Fallback::choose(CircuitState circuit, Time now) {
    std::unique_lock lock(mutex_);
    while (!results_.empty() && now - results_.front().at > options_.remember)
        results_.pop_front();
    const FallbackReason reason = judge(circuit);
    ++(reason == FallbackReason::none ? counters_.first : counters_.second);
    const bool has_changed = reason != std::exchange(current_, reason);
    if (has_changed) ++counters_.changes;
    lock.unlock();
    if (has_changed && options_.on_change) options_.on_change(reason);
    return reason;
}

void Fallback::record(bool is_good, std::chrono::nanoseconds latency, Time now) {
    const std::lock_guard lock(mutex_);
    results_.push_back({now, latency, is_good});
    if (results_.size() > options_.results_max) results_.pop_front();
}

FallbackReason Fallback::judge(CircuitState circuit) const {
    // Half open is for the few that the breaker lets through.
    if (options_.when_circuit_open && circuit == CircuitState::open)
        return FallbackReason::circuit_open;
    if (results_.size() < options_.results_min) return FallbackReason::none;
    if (rate() > options_.error_rate_max) return FallbackReason::error_rate;
    if (p99() > options_.latency_p99_max) return FallbackReason::latency;
    return FallbackReason::none;
}

double Fallback::rate() const {
    const auto bad =
        std::count_if(results_.begin(), results_.end(), [](const auto& r) { return !r.is_good; });
    return results_.empty() ? 0 : static_cast<double>(bad) / static_cast<double>(results_.size());
}

std::chrono::nanoseconds Fallback::p99() const {
    if (results_.empty()) return {};
    std::vector<std::chrono::nanoseconds> times;
    times.reserve(results_.size());
    for (const Outcome& outcome : results_)
        times.push_back(outcome.latency);
    const auto at = times.begin() + static_cast<std::ptrdiff_t>((times.size() * 99 - 1) / 100);
    std::nth_element(times.begin(), at, times.end());
    return *at;
}

FallbackReason Fallback::current() const {
    const std::lock_guard lock(mutex_);
    return current_;
}
Fallback::Counters Fallback::counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
}
double Fallback::error_rate() const {
    const std::lock_guard lock(mutex_);
    return rate();
}
std::chrono::nanoseconds Fallback::latency_p99() const {
    const std::lock_guard lock(mutex_);
    return p99();
}

}  // namespace casc::client
