#include "flush_pace.hpp"

#include <algorithm>

namespace casc::storage {

namespace {
// Of a new measurement in the rate: single checkpoints differ by the fsyncs of others.
constexpr double kNewShare = 0.25;
}  // namespace

// A checkpoint and a half below the limit, so that it is not reached when a checkpoint takes longer
// than the last ones, and not less than a checkpoint, so that the next one always finds enough.
FlushPace::FlushPace(std::size_t checkpoint_bytes, std::size_t limit)
    : checkpoint_bytes_(checkpoint_bytes),
      base_(std::max(limit / 4, limit - std::min(limit, checkpoint_bytes / 2 * 3))) {}

void FlushPace::flushed(std::size_t bytes, std::size_t left, MonoNanos now) {
    const auto elapsed = static_cast<double>((now - last_).value());
    if (busy_since_last_ && elapsed > 0) {
        const double rate = static_cast<double>(bytes) / elapsed;
        bytes_per_ns_ += (bytes_per_ns_ == 0 ? 1 : kNewShare) * (rate - bytes_per_ns_);
    }
    last_ = now;
    busy_since_last_ = left >= checkpoint_bytes_;
}

std::optional<MonoNanos> FlushPace::admits_at(std::size_t unflushed) const {
    if (unflushed <= base_ || bytes_per_ns_ == 0) return std::nullopt;
    const double after = static_cast<double>(unflushed - base_) / bytes_per_ns_;
    return last_ + MonoNanos::distance(static_cast<std::int64_t>(after));
}

}  // namespace casc::storage
