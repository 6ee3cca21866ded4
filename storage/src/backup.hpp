#pragma once
// storage/src/backup.hpp: consistent copies of a store.

#include "store_rocks.hpp"

namespace casc::storage {

// Copies RocksDB (by hard links where `target` is on the same file system) as it is after a
// checkpoint up to `applied`. No journal is needed: a checkpoint leaves nothing behind in it.
// `target` must be missing or empty; it is a backup from the moment on that its FORMAT file is
// there. Returns its bytes.
//
// Thread: checkpoint, right after a checkpoint.
[[nodiscard]] Result<std::uint64_t> make_backup(Rocks& rocks, const std::filesystem::path& target,
                                                JournalSequence applied);

}  // namespace casc::storage
