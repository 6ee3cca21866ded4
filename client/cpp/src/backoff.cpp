#include "backoff.hpp"

#include <algorithm>

namespace casc::client {

Backoff::Backoff(std::chrono::milliseconds first, std::chrono::milliseconds max,
                 std::uint64_t seed) noexcept
    : first_(std::max(first, std::chrono::milliseconds(1))),
      max_(std::max(max, first)),
      random_(seed) {}

std::chrono::microseconds Backoff::next() noexcept {
    // 2^20 first delays are beyond every max that makes sense; the bound keeps the shift defined.
    const unsigned doublings = std::min(failures_++, 20u);
    const std::chrono::microseconds whole = std::min(first_ * (std::int64_t{1} << doublings), max_);
    // splitmix64: one step per delay is enough of a generator here.
    std::uint64_t z = (random_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    const double factor = 0.5 + 0.5 * (static_cast<double>(z >> 11) * 0x1.0p-53);
    return std::chrono::microseconds(
        static_cast<std::int64_t>(static_cast<double>(whole.count()) * factor));
}

}  // namespace casc::client
