#include <casc/client/circuit_breaker.hpp>

#include <algorithm>

namespace casc::client {

std::string_view to_string(CircuitState state) noexcept {
    switch (state) {
        case CircuitState::closed:
            return "closed";
        case CircuitState::open:
            return "open";
        case CircuitState::half_open:
            return "half open";
    }
    return "";
}

// With the mutex held.
void CircuitBreaker::enter(CircuitState state, Time now) {
    state_ = state;
    ++period_;
    failures_ = probes_ = successes_ = 0;
    if (state != CircuitState::open) return;
    opened_at_ = now;
    ++counters_.opened;
}

Result<CircuitBreaker::Pass> CircuitBreaker::admit(Time now) {
    std::unique_lock lock(mutex_);
    const CircuitState before = state_;
    if (state_ == CircuitState::open && now - opened_at_ >= options_.open_for)
        enter(CircuitState::half_open, now);
    const CircuitState after = state_;
    const bool is_refused = state_ == CircuitState::open ||
                            (state_ == CircuitState::half_open && probes_ >= options_.probes_max);
    ++(is_refused ? counters_.refused : counters_.admitted);
    if (!is_refused && state_ == CircuitState::half_open) ++probes_;
    Pass pass;
    pass.period = period_;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        state_ == CircuitState::open ? opened_at_ + options_.open_for - now : Time::duration(0));
    lock.unlock();
    if (before != after && options_.on_change) options_.on_change(before, after);
    if (!is_refused) return pass;
    return Error(ErrorCode::circuit_open,
                 after == CircuitState::open ? "too many failures one after the other"
                                             : "it is being tried whether it works again",
                 static_cast<std::uint32_t>(left.count()));
}

void CircuitBreaker::record(Pass pass, ErrorCode outcome, Time now) {
    std::unique_lock lock(mutex_);
    const bool is_excluded = std::find(options_.excluded.begin(), options_.excluded.end(),
                                       outcome) != options_.excluded.end();
    const bool is_good = outcome == ErrorCode::ok;
    ++(is_excluded ? counters_.excluded : is_good ? counters_.successes : counters_.failures);
    if (pass.period != period_) return;
    const CircuitState before = state_;
    if (state_ == CircuitState::half_open) --probes_;
    if (is_excluded) return;
    if (is_good) {
        failures_ = 0;
        if (state_ == CircuitState::half_open && ++successes_ >= options_.successes_to_close)
            enter(CircuitState::closed, now);
    } else if (state_ == CircuitState::half_open || ++failures_ >= options_.failures_to_open) {
        enter(CircuitState::open, now);
    }
    const CircuitState after = state_;
    lock.unlock();
    if (before != after && options_.on_change) options_.on_change(before, after);
}

CircuitState CircuitBreaker::state(Time now) const {
    const std::lock_guard lock(mutex_);
    if (state_ == CircuitState::open && now - opened_at_ >= options_.open_for)
        return CircuitState::half_open;
    return state_;
}

CircuitBreaker::Counters CircuitBreaker::counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
}

}  // namespace casc::client
