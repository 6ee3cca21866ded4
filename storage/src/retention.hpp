#pragma once
// storage/src/retention.hpp: gives the space of expired events back.

#include "slice_set.hpp"

namespace casc::storage {

// Drops the slices in which every log is below its low-water mark (or erased), and rewrites those
// in which less than a quarter is alive. Goes by the rows in RocksDB, so everything that it relies
// on is durable there, and the journal is not needed for what it drops. Returns the bytes given
// back.
//
// Thread: checkpoint, right after a checkpoint.
[[nodiscard]] Result<std::uint64_t> reclaim_slices(Rocks& rocks, SliceSet& slices);

}  // namespace casc::storage
