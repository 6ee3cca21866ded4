#pragma once
// Times of something that is done again and again.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace casc::gpu {

// Seconds of what is done: the median of five times at least, and of as many as fit a second.
template <class Work>
double median_seconds(Work&& work) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> times;
    for (const auto began = Clock::now();
         times.size() < 5 || Clock::now() - began < std::chrono::seconds(1);) {
        const auto its_begin = Clock::now();
        work();
        times.push_back(std::chrono::duration<double>(Clock::now() - its_begin).count());
    }
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

}  // namespace casc::gpu
