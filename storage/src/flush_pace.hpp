#pragma once
// storage/src/flush_pace.hpp: holds producers to the speed of the checkpoints, a little at a time.
//
// Without it a disk that is the slower side is felt as stops: producers run ahead until the limit
// of what may be unflushed, wait for the whole of a checkpoint, and run ahead again. Here what may
// be unflushed grows, from one checkpoint to the next, at the rate at which checkpoints have lately
// let bytes go, so that the limit is approached just when the next one is done.
//
// Thread: one at a time.

#include <casc/types/clock.hpp>

#include <cstddef>
#include <optional>

namespace casc::storage {

class FlushPace {
public:
    // `limit`: where producers are stopped anyway.
    FlushPace(std::size_t checkpoint_bytes, std::size_t limit);

    // A checkpoint has let `bytes` go; `left` are unflushed still.
    void flushed(std::size_t bytes, std::size_t left, MonoNanos now);

    // When so much may be unflushed; nothing: at once.
    [[nodiscard]] std::optional<MonoNanos> admits_at(std::size_t unflushed) const;

private:
    const std::size_t checkpoint_bytes_;
    const std::size_t base_;   // may be unflushed at any time
    double bytes_per_ns_ = 0;  // 0: not known yet
    MonoNanos last_{};
    bool busy_since_last_ = false;  // there was enough for the next checkpoint at once
};

}  // namespace casc::storage
