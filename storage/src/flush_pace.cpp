#include "flush_pace.hpp"

#include <algorithm>

namespace casc::storage {

namespace {
// Of a new measurement in the rate: single checkpoints differ by the fsyncs of others.
constexpr double kNewShare = 0.25;
// Of the checkpoints' speed, where holding back begins and just below the limit. In between,
// evenly: at rest the store is in the middle, and a checkpoint less or more is half the speed.
constexpr double kFastest = 2.0;
constexpr double kSlowest = 0.25;
// However much was admitted at once, what is measured meanwhile counts after this.
constexpr auto kPauseMax = MonoNanos::distance(50'000'000);
}  // namespace

// A burst that ends soon is the journal's alone, and what is not enough for a checkpoint waits for
// more of it, not for time.
FlushPace::FlushPace(std::size_t checkpoint_bytes, std::size_t limit)
    : checkpoint_bytes_(checkpoint_bytes),
      free_(std::min(limit, std::max(limit / 4, checkpoint_bytes))),
      limit_(limit) {}

void FlushPace::flushed(std::size_t bytes, std::chrono::nanoseconds took, std::size_t left) {
    if (left <= free_) next_ = {};
    // A small one is fsyncs and nothing else.
    if (took.count() <= 0 || bytes < checkpoint_bytes_ / 2) return;
    const double rate = static_cast<double>(bytes) / static_cast<double>(took.count());
    bytes_per_ns_ += (bytes_per_ns_ == 0 ? 1 : kNewShare) * (rate - bytes_per_ns_);
}

void FlushPace::admitted(std::size_t bytes, std::size_t unflushed, MonoNanos now) {
    if (unflushed <= free_ || free_ == limit_ || bytes_per_ns_ == 0) return;
    const double fullness =
        static_cast<double>(unflushed - free_) / static_cast<double>(limit_ - free_);
    const double share = std::max(kSlowest, kFastest * (1 - fullness));
    const double after = static_cast<double>(bytes) / (share * bytes_per_ns_);
    const auto pause = MonoNanos::distance(static_cast<std::int64_t>(after));
    next_ = std::min(std::max(next_, now) + pause, now + kPauseMax);
}

bool FlushPace::is_behind(std::size_t unflushed) const {
    return unflushed > free_ + (limit_ - free_) / 4;
}

}  // namespace casc::storage
