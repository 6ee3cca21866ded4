#pragma once
// The same rows through RocksDB's own write-ahead log: what casc's journal has to be better than.
//
// Thread: any.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace casc::bench {

// Puts rows of `values`, in turn, under rising 16-byte keys until `total_bytes` of them are
// written, each synced before the next; then flushes, and returns bytes per second until everything
// is in table files. RocksDB is set up as the store sets up its own (no compaction, no compression,
// direct flushes), so that the log is the difference.
[[nodiscard]] double rocksdb_wal_bytes_per_second(
    const std::filesystem::path& folder, const std::vector<std::span<const std::byte>>& values,
    std::uint64_t total_bytes);

}  // namespace casc::bench
