#pragma once
// casc/gpu/arrival_gap.hpp: how long the next request is going to take to come.

#include <casc/types/clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace casc::gpu {

// Thread: one at a time.
class ArrivalGap {
public:
    using Nanos = std::chrono::nanoseconds;

    void arrived(MonoNanos now) noexcept {
        if (last_) {
            const auto gap = static_cast<double>(
                std::clamp<std::int64_t>((now - *last_).value(), 0, kLongest.count()));
            mean_ = mean_ ? *mean_ + kWeight * (gap - *mean_) : gap;
        }
        last_ = last_ ? std::max(*last_, now) : now;
    }
    // What a gap has been on average, or the silence so far when that is longer: who has not come
    // for a while is not expected soon. Nothing after less than two arrivals.
    [[nodiscard]] std::optional<Nanos> expected(MonoNanos now) const noexcept {
        if (!mean_) return std::nullopt;
        return Nanos{std::max(static_cast<std::int64_t>(*mean_), (now - *last_).value())};
    }
    // From when on expected() is at least `gap`, if nobody comes.
    [[nodiscard]] MonoNanos expected_from(Nanos gap) const noexcept {
        return last_ ? *last_ + gap : MonoNanos{};
    }

private:
    static constexpr double kWeight = 0.1;  // of the newest
    // A night without requests says nothing of the morning.
    static constexpr Nanos kLongest{1'000'000'000};

    std::optional<MonoNanos> last_;
    std::optional<double> mean_;
};

}  // namespace casc::gpu
