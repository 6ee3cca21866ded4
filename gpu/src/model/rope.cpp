#include "model/rope.hpp"

#include <cmath>
#include <limits>
#include <numbers>

namespace casc::gpu {
namespace {

std::vector<double> plain_frequencies(const ModelConfig& config) {
    std::vector<double> frequencies(config.head_size / 2);
    for (std::size_t i = 0; i < frequencies.size(); ++i)
        frequencies[i] = std::pow(config.rope_theta, -2.0 * static_cast<double>(i) /
                                                         static_cast<double>(config.head_size));
    return frequencies;
}

// Who turns less than low_frequency_factor times within the original context has seen only a part
// of the circle in training, and is slowed down; who turns more than high_frequency_factor times
// has seen all of it.
double llama3_frequency(double frequency, const RopeScaling& rope) {
    const double turns =
        static_cast<double>(rope.original_context) * frequency / (2 * std::numbers::pi);
    if (turns < rope.low_frequency_factor) return frequency / rope.factor;
    if (turns > rope.high_frequency_factor) return frequency;
    const double fast = (turns - rope.low_frequency_factor) /
                        (rope.high_frequency_factor - rope.low_frequency_factor);
    return (1 - fast) * frequency / rope.factor + fast * frequency;
}

std::vector<double> divided(std::vector<double> frequencies, const std::vector<double>& factors) {
    for (std::size_t i = 0; i < frequencies.size(); ++i)
        frequencies[i] /= factors[i];
    return frequencies;
}

float longrope_amplitude(const ModelConfig& config) {
    const auto original = static_cast<double>(config.rope.original_context);
    const double growth = static_cast<double>(config.context_tokens) / original;
    if (growth <= 1 || original <= 1) return 1;
    return static_cast<float>(std::sqrt(1 + std::log(growth) / std::log(original)));
}

}  // namespace

Rope Rope::of(const ModelConfig& config) {
    Rope rope;
    rope.usual.frequencies = plain_frequencies(config);
    rope.usual_tokens = std::numeric_limits<std::size_t>::max();
    switch (config.rope.kind) {
        case RopeScaling::Kind::none:
            break;
        case RopeScaling::Kind::linear:
            for (double& frequency : rope.usual.frequencies)
                frequency /= config.rope.factor;
            break;
        case RopeScaling::Kind::llama3:
            for (double& frequency : rope.usual.frequencies)
                frequency = llama3_frequency(frequency, config.rope);
            break;
        case RopeScaling::Kind::longrope:
            rope.usual_tokens = config.rope.original_context;
            rope.beyond.frequencies = divided(rope.usual.frequencies, config.rope.long_factors);
            rope.usual.frequencies = divided(rope.usual.frequencies, config.rope.short_factors);
            rope.usual.amplitude = rope.beyond.amplitude = longrope_amplitude(config);
            break;
    }
    return rope;
}

void RopeTable::turns_at(std::size_t position, std::span<float> turns) const {
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
        // In 64 bits: at position 100,000 a float's angle is off by 0.004.
        const double angle = static_cast<double>(position) * frequencies[i];
        turns[2 * i] = amplitude * static_cast<float>(std::cos(angle));
        turns[2 * i + 1] = amplitude * static_cast<float>(std::sin(angle));
    }
}

void turn_head(std::span<float> head, std::span<const float> turns) noexcept {
    const std::size_t pairs = head.size() / 2;
    for (std::size_t i = 0; i < pairs; ++i) {
        const float cosine = turns[2 * i];
        const float sine = turns[2 * i + 1];
        const float first = head[i];
        const float second = head[i + pairs];
        head[i] = first * cosine - second * sine;
        head[i + pairs] = second * cosine + first * sine;
    }
}

}  // namespace casc::gpu
