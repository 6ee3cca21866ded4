#pragma once
// storage/src/flush_pace.hpp: holds producers to the speed of the checkpoints, a little at a time.
//
// Journal and checkpoints share a device. Without this a producer that outruns it takes the device
// from the checkpoints until the limit of what may be unflushed, stops for the whole of one, and
// runs away again. Here what is admitted is spread over time: the fuller the store, the slower, so
// that it comes to rest where as much is admitted as checkpoints let go.
//
// Thread: one at a time.

#include <casc/types/clock.hpp>

#include <chrono>
#include <cstddef>

namespace casc::storage {

class FlushPace {
public:
    // `limit`: of unflushed bytes, where producers are stopped anyway.
    FlushPace(std::size_t checkpoint_bytes, std::size_t limit);

    // A checkpoint has let `bytes` go, after `took` of work; `left` are unflushed still.
    void flushed(std::size_t bytes, std::chrono::nanoseconds took, std::size_t left);
    // `bytes` more were admitted; with them, `unflushed` wait for a checkpoint.
    void admitted(std::size_t bytes, std::size_t unflushed, MonoNanos now);

    // Whether producers have reason to wait for checkpoints. Not yet for what comes while one is
    // made.
    [[nodiscard]] bool is_behind(std::size_t unflushed) const;

    // When the next bytes should be; may be past.
    [[nodiscard]] MonoNanos admits_at() const { return next_; }

private:
    const std::size_t checkpoint_bytes_;
    const std::size_t free_;  // up to here nobody is held back
    const std::size_t limit_;
    double bytes_per_ns_ = 0;  // of checkpoints; 0: not known yet
    MonoNanos next_{};
};

}  // namespace casc::storage
