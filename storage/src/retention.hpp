#pragma once
// storage/src/retention.hpp: gives the space of expired events back.

#include "slice_set.hpp"

#include <casc/types/clock.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>

namespace casc::storage {

// Drops the slices in which every log is below its low-water mark (or erased), and rewrites those
// of which less than a quarter has been alive for some time: under load a slice that retention has
// begun to empty is mostly empty as a whole soon after, and then costs nothing to drop. Goes by the
// rows in RocksDB, so everything that it relies on is durable there, and the journal is not needed
// for what it drops.
//
// Thread: checkpoint, right after a checkpoint.
class Reclaimer {
public:
    // `rewrite_after`: how long a slice has to be sparse before it is rewritten.
    Reclaimer(Rocks& rocks, SliceSet& slices, std::chrono::nanoseconds rewrite_after)
        : rocks_(rocks), slices_(slices), rewrite_after_(rewrite_after) {}

    // Rewrites one slice at most, since nothing is checkpointed meanwhile. With `space_short` every
    // sparse slice is old enough.
    [[nodiscard]] Result<void> run(MonoNanos now, bool space_short);
    // Events were taken out of the slice on purpose: it is rewritten after `rewrite_after`, however
    // much of it is alive. Forgotten when the process ends: then the next rewriting does it.
    void want(SliceId slice, MonoNanos now) {
        auto& since = histories_[slice].wanted_since;
        if (!since) since = now;  // those that come later do not put it off
        due_ = std::min(due_.value_or(now), now);
    }
    // When run() will have something to do even if nothing else expires.
    [[nodiscard]] std::optional<MonoNanos> due() const noexcept { return due_; }

private:
    // What earlier runs have seen of a slice.
    struct History {
        std::optional<MonoNanos> sparse_since;
        // How much is alive is an estimate: by it alone, a slice whose last events are its largest
        // would be rewritten for ever.
        std::uint64_t live_when_rewritten = std::numeric_limits<std::uint64_t>::max();
        std::uint64_t file_when_rewritten = 0;
        std::optional<MonoNanos> wanted_since;
    };

    [[nodiscard]] static bool is_sparse(const History& seen, std::uint64_t live_bytes,
                                        std::uint64_t file_bytes);
    // The same of a slice of compacted logs, of which all is alive that compaction has left: half
    // of it is worth a rewriting, also while it grows.
    [[nodiscard]] static bool is_half_empty(const History& seen, std::uint64_t live_bytes,
                                            std::uint64_t file_bytes);
    // When the slice is to be rewritten; nothing: not as it is.
    [[nodiscard]] std::optional<MonoNanos> ripe_at(const Slice& slice, History& seen,
                                                   std::uint64_t live_bytes, MonoNanos now,
                                                   bool space_short) const;

    Rocks& rocks_;
    SliceSet& slices_;
    const std::chrono::nanoseconds rewrite_after_;
    std::map<SliceId, History> histories_;  // of the slices there were at the last run
    std::optional<MonoNanos> due_;
};

}  // namespace casc::storage
