#pragma once
// casc/gpu/step_times.hpp: how long the device takes for a batch, learned from those it had.

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>

namespace casc::gpu {

// A moving average for each power of two, to which a batch counts that is nearest to it; between
// two neighbours a straight line. What was never measured is taken from the next smaller size that
// was, else the next larger one: a device that reads the same weights for both takes about as long.
// That errs towards waiting for company until the larger one has been measured.
//
// Thread: one at a time.
class StepTimes {
public:
    using Nanos = std::chrono::nanoseconds;

    void measured(std::size_t batch, Nanos took) noexcept;
    // 0 while nothing is known.
    [[nodiscard]] Nanos of(std::size_t batch) const noexcept;
    [[nodiscard]] bool known() const noexcept { return known_; }

private:
    static constexpr std::size_t kSizes = 13;  // 1, 2, 4 … 4096
    static constexpr double kWeight = 0.2;     // of the newest

    // The nearest measured size at or below `index`, else above.
    [[nodiscard]] double near(std::size_t index) const noexcept;

    std::array<double, kSizes> nanos_{};  // 0: not measured
    bool known_ = false;
};

}  // namespace casc::gpu
