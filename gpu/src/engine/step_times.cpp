#include <casc/gpu/step_times.hpp>

#include <algorithm>
#include <cmath>

namespace casc::gpu {

void StepTimes::measured(std::size_t batch, Nanos took) noexcept {
    if (batch == 0 || took.count() <= 0) return;
    const auto index = std::min<std::size_t>(
        static_cast<std::size_t>(std::lround(std::log2(static_cast<double>(batch)))), kSizes - 1);
    double& mean = nanos_[index];
    const auto nanos = static_cast<double>(took.count());
    mean = mean == 0 ? nanos : mean + kWeight * (nanos - mean);
    known_ = true;
}

double StepTimes::near(std::size_t index) const noexcept {
    for (std::size_t at = index + 1; at-- > 0;)
        if (nanos_[at] != 0) return nanos_[at];
    for (std::size_t at = index + 1; at < kSizes; ++at)
        if (nanos_[at] != 0) return nanos_[at];
    return 0;
}

StepTimes::Nanos StepTimes::of(std::size_t batch) const noexcept {
    if (!known_ || batch == 0) return Nanos{0};
    const std::size_t below = std::min<std::size_t>(std::bit_width(batch) - 1u, kSizes - 1);
    const double at_below = near(below);
    if (below + 1 >= kSizes) return Nanos{static_cast<std::int64_t>(at_below)};
    const double at_above = nanos_[below + 1] != 0 ? nanos_[below + 1] : at_below;
    const auto floor = static_cast<double>(std::size_t{1} << below);
    const double part = (static_cast<double>(batch) - floor) / floor;
    return Nanos{static_cast<std::int64_t>(at_below + part * (at_above - at_below))};
}

}  // namespace casc::gpu
