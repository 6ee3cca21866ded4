#pragma once
// casc/types/clock.hpp: the two clocks. Code whose behaviour depends on time takes the time as a
// parameter; these are read at the edge. Thread: any.

#include <casc/types/vocabulary.hpp>

#include <chrono>

namespace casc {

[[nodiscard]] inline EpochNanos wall_now() {
    return EpochNanos(std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count());
}

[[nodiscard]] inline MonoNanos mono_now() {
    return MonoNanos(std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::steady_clock::now().time_since_epoch())
                         .count());
}

[[nodiscard]] constexpr MonoNanos operator+(MonoNanos from, std::chrono::nanoseconds time) {
    return from + MonoNanos::distance(time.count());
}

}  // namespace casc
