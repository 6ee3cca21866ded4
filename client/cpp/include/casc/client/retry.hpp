#pragma once
// casc/client/retry.hpp: whether and when to try once more.
//
//   Retry retry(options, random_seed);
//   for (;;) {
//       auto answer = client->request("sum", event, left);
//       if (answer) return answer;
//       const auto pause = retry.next(answer.error(), now, deadline);
//       if (!pause) return answer;
//       sleep_for(*pause);
//   }

#include <casc/types/error.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>

namespace casc::client {

struct RetryOptions {
    std::uint32_t attempts_max = 3;  // the first one included
    // The pause before attempt n+1 is first * base^(n-1), at most `pause_max`, with jitter times a
    // random factor in [0.5, 1); and never less than what the error advises.
    std::chrono::milliseconds pause_first{1000};
    std::chrono::milliseconds pause_max{30'000};
    double base = 2;
    bool jitter = true;
    // Which errors are worth another attempt; unset: those that say so themselves
    // (error_info().retryable). After connection_closed, responder_lost and timeout the request may
    // have been carried out: who must not do things twice leaves them out.
    std::function<bool(ErrorCode)> is_worth_it{};
    // Told of each further attempt.
    std::function<void(std::uint32_t attempt, const Error& why, std::chrono::milliseconds pause)>
        on_retry{};
};

// The attempts of one request. Thread: one at a time.
class Retry {
public:
    using Time = std::chrono::steady_clock::time_point;

    explicit Retry(const RetryOptions& options, std::uint64_t seed)
        : options_(options), random_(static_cast<std::minstd_rand::result_type>(seed)) {}

    // After a failure: how long to wait before the next attempt. Nothing: it is not worth it, or
    // was the last one, or the pause would last until `deadline`.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next(const Error& why, Time now,
                                                                Time deadline);
    // So far, those that next() has promised included.
    [[nodiscard]] std::uint32_t attempts() const noexcept { return attempts_; }

private:
    const RetryOptions& options_;  // must outlive this
    std::uint32_t attempts_ = 1;
    std::minstd_rand random_;
};

}  // namespace casc::client
