#pragma once
// A histogram of times with a relative error below 0.1 % from one nanosecond to hours, in fixed
// memory.
//
// Log-linear: values below 2048 are counted exactly; above, every power of two is cut into 1024
// equal parts, so a part is at most 1/1024 of its value wide. 42 powers of two reach 2^52 ns (52
// days); 344 KiB.
//
// Thread: one. Each thread records into its own; merge() them afterwards.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace casc::bench {

class Histogram {
public:
    void record(std::uint64_t value, std::uint64_t times = 1) {
        counts_[index_of(std::min(value, kValueMax))] += times;
        count_ += times;
        max_ = std::max(max_, value);
    }

    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] += other.counts_[i];
        count_ += other.count_;
        max_ = std::max(max_, other.max_);
    }

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t max() const { return max_; }  // exact

    // The smallest value that at least `percent` of all recorded ones do not exceed, rounded up to
    // the end of its part (but never above the maximum). 0 when nothing was recorded.
    [[nodiscard]] std::uint64_t percentile(double percent) const {
        if (count_ == 0) return 0;
        const double rank =
            std::ceil(std::clamp(percent, 0.0, 100.0) / 100.0 * static_cast<double>(count_));
        const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(rank));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen >= wanted) return std::min(last_of(i), max_);
        }
        return max_;
    }

private:
    static constexpr unsigned kPartBits = 10;
    static constexpr unsigned kPowers = 42;
    static constexpr std::uint64_t kParts = 1u << kPartBits;
    static constexpr std::uint64_t kValueMax = (std::uint64_t{1} << (kPartBits + kPowers)) - 1;

    // The first 2 * kParts values have an index each; then every power of two has kParts.
    static std::size_t index_of(std::uint64_t value) {
        const unsigned shift =
            value < 2 * kParts ? 0 : static_cast<unsigned>(std::bit_width(value)) - kPartBits - 1;
        return static_cast<std::size_t>(shift * kParts + (value >> shift));
    }
    // The largest value that has this index.
    static std::uint64_t last_of(std::size_t index) {
        if (index < 2 * kParts) return index;
        const std::uint64_t shift = index / kParts - 1;
        return ((index - shift * kParts + 1) << shift) - 1;
    }

    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(index_of(kValueMax) + 1);
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace casc::bench
