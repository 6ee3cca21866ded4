#pragma once
// gpu/src/engine/class_probabilities.hpp: a classifier's numbers as probabilities.

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

namespace casc::gpu {

// The softmax. The largest number is taken off first, so that no power is too large (and one is 1).
// Nothing when there are none, or one is not finite.
[[nodiscard]] inline std::optional<std::vector<float>> class_probabilities(
    std::span<const float> logits) {
    const auto is_finite = [](float logit) { return std::isfinite(logit); };
    if (logits.empty() || !std::ranges::all_of(logits, is_finite)) return std::nullopt;
    const double most = *std::ranges::max_element(logits);
    double sum = 0;
    for (const float logit : logits)
        sum += std::exp(logit - most);
    std::vector<float> probabilities;
    for (const float logit : logits)
        probabilities.push_back(static_cast<float>(std::exp(logit - most) / sum));
    return probabilities;
}

}  // namespace casc::gpu
