#pragma once
// row_values.hpp: what is the same about the rows of a step's output on every backend.

#include <casc/gpu/backend.hpp>

#include <algorithm>
#include <cmath>
#include <span>

namespace casc::gpu {

[[nodiscard]] inline bool goes_through_head(Wanted wanted) noexcept {
    return wanted == Wanted::token || wanted == Wanted::logits;
}

// Of the head: logits, or of a classifier one for each label.
[[nodiscard]] inline std::size_t head_rows(const ModelConfig& model) noexcept {
    return model.classifies() ? model.labels.size() : model.vocabulary_size;
}

// Added to finite numbers, 0 times each of them is 0; of infinities and what is no number it is no
// number. In eight sums, so that one does not wait for the other.
[[nodiscard]] inline bool are_finite(std::span<const float> numbers) noexcept {
    float sums[8] = {};
    std::size_t i = 0;
    for (; i + 8 <= numbers.size(); i += 8)
        for (std::size_t lane = 0; lane < 8; ++lane)
            sums[lane] += 0 * numbers[i + lane];
    for (; i < numbers.size(); ++i)
        sums[0] += 0 * numbers[i];
    return std::ranges::all_of(sums, [](float sum) { return sum == 0; });
}

inline void scale_to_length_1(std::span<float> numbers) noexcept {
    double squares = 0;
    for (const float number : numbers)
        squares += static_cast<double>(number) * static_cast<double>(number);
    const double scale = 1 / std::sqrt(squares);
    for (float& number : numbers)
        number = static_cast<float>(number * scale);
}

}  // namespace casc::gpu
