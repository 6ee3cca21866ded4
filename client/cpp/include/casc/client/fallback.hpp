#pragma once
// casc/client/fallback.hpp: when to go to the second choice instead of the first.
//
// Judged by how the first choice did lately. While it is not used it gathers no new results, so
// what is known of it grows old and is forgotten, and then it is tried again.

#include <casc/client/circuit_breaker.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

namespace casc::client {

enum class FallbackReason : std::uint8_t { none, error_rate, latency, circuit_open };
[[nodiscard]] std::string_view to_string(FallbackReason reason) noexcept;

struct FallbackOptions {
    double error_rate_max = 0.1;
    std::chrono::milliseconds latency_p99_max{5000};
    bool when_circuit_open = true;
    // Over the last so many results, none of them older than this; with fewer than `results_min`
    // only the circuit counts.
    std::size_t results_max = 200;
    std::size_t results_min = 20;
    std::chrono::milliseconds remember{60'000};
    // Told when the choice changes, with this unlocked; must not block.
    std::function<void(FallbackReason reason)> on_change{};
};

// Thread: any. Time is the caller's, and must not go back.
class Fallback {
public:
    using Time = std::chrono::steady_clock::time_point;
    struct Counters {
        std::uint64_t first = 0;  // choices
        std::uint64_t second = 0;
        std::uint64_t changes = 0;
    };

    explicit Fallback(FallbackOptions options = {}) : options_(std::move(options)) {}

    // Why the second choice is to be used now; none: the first.
    [[nodiscard]] FallbackReason choose(CircuitState circuit, Time now);
    // How the first choice did.
    void record(bool is_good, std::chrono::nanoseconds latency, Time now);

    [[nodiscard]] FallbackReason current() const;
    [[nodiscard]] Counters counters() const;
    // Over what is remembered.
    [[nodiscard]] double error_rate() const;
    [[nodiscard]] std::chrono::nanoseconds latency_p99() const;

private:
    struct Outcome {
        Time at;
        std::chrono::nanoseconds latency;
        bool is_good;
    };
    [[nodiscard]] FallbackReason judge(CircuitState circuit) const;
    [[nodiscard]] double rate() const;
    [[nodiscard]] std::chrono::nanoseconds p99() const;

    const FallbackOptions options_;
    mutable std::mutex mutex_;
    std::deque<Outcome> results_;
    FallbackReason current_ = FallbackReason::none;
    Counters counters_;
};

}  // namespace casc::client
