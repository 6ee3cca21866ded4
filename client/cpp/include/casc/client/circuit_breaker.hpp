#pragma once
// casc/client/circuit_breaker.hpp: stops asking somebody who keeps failing, and finds out carefully
// whether that is over.
//
//   CASC_TRY(const auto pass, breaker.admit(now));            // circuit_open: not now
//   const auto answer = client->request("sum", event);
//   breaker.record(pass, answer ? ErrorCode::ok : answer.error().code, now);

#include <casc/types/result.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

namespace casc::client {

enum class CircuitState : std::uint8_t {
    closed,    // all is well
    open,      // nothing is let through
    half_open  // a few are, to see
};
[[nodiscard]] std::string_view to_string(CircuitState state) noexcept;

struct CircuitBreakerOptions {
    std::uint32_t failures_to_open = 5;  // one after the other
    std::chrono::milliseconds open_for{60'000};
    std::uint32_t probes_max = 3;  // at a time, while it is half open
    std::uint32_t successes_to_close = 2;
    // Errors that say nothing about whether the other side works: they count neither way.
    std::vector<ErrorCode> excluded{ErrorCode::auth_failed,     ErrorCode::permission_denied,
                                    ErrorCode::invalid_request, ErrorCode::event_too_large,
                                    ErrorCode::cancelled,       ErrorCode::queue_full};
    // Told after each change, with the breaker unlocked; must not block.
    std::function<void(CircuitState from, CircuitState to)> on_change{};
};

// Thread: any. Time is the caller's, and must not go back.
class CircuitBreaker {
public:
    using Time = std::chrono::steady_clock::time_point;
    // The right to try once; to be recorded.
    class Pass {
        friend class CircuitBreaker;
        std::uint64_t period = 0;
    };
    struct Counters {
        std::uint64_t admitted = 0;
        std::uint64_t refused = 0;
        std::uint64_t successes = 0;
        std::uint64_t failures = 0;
        std::uint64_t excluded = 0;
        std::uint64_t opened = 0;  // times
    };

    explicit CircuitBreaker(CircuitBreakerOptions options = {}) : options_(std::move(options)) {}

    // Fails with: circuit_open, with the time after which it is worth asking again.
    [[nodiscard]] Result<Pass> admit(Time now);
    // What came of it. Passes of an earlier period (before it opened, say) change nothing any more.
    void record(Pass pass, ErrorCode outcome, Time now);

    // As admit() would find it.
    [[nodiscard]] CircuitState state(Time now) const;
    [[nodiscard]] Counters counters() const;

private:
    using Change = std::pair<CircuitState, CircuitState>;
    void enter(CircuitState state, Time now);

    const CircuitBreakerOptions options_;
    mutable std::mutex mutex_;
    CircuitState state_ = CircuitState::closed;
    std::uint64_t period_ = 0;  // between two changes
    Time opened_at_{};
    std::uint32_t failures_ = 0;   // in a row
    std::uint32_t probes_ = 0;     // under way
    std::uint32_t successes_ = 0;  // of probes
    Counters counters_;
};

}  // namespace casc::client
