#pragma once
// client/src/backoff.hpp: how long to wait before the next attempt.

#include <chrono>
#include <cstdint>

namespace casc::client {

// Delay n is min(first * 2^n, max) times a random factor in [0.5, 1): clients that lost the same
// broker at the same moment do not come back together. Thread: one at a time.
class Backoff {
public:
    Backoff(std::chrono::milliseconds first, std::chrono::milliseconds max,
            std::uint64_t seed) noexcept;

    // The delay before the next attempt; each call is one more failure in a row.
    [[nodiscard]] std::chrono::microseconds next() noexcept;
    void reset() noexcept { failures_ = 0; }
    [[nodiscard]] unsigned failures() const noexcept { return failures_; }

private:
    std::chrono::microseconds first_;
    std::chrono::microseconds max_;
    std::uint64_t random_;
    unsigned failures_ = 0;
};

}  // namespace casc::client
