#pragma once
// storage/src/read_ahead_file_system.hpp: whoever reads a stored file from front to back finds the
// next part in memory.
//
// RocksDB reads ahead into a buffer, but waits for each fill of it, so that the device idles while
// the batches are copied and the processor idles while they are read. Here a read that continues
// an earlier one has what comes next read meanwhile; how much grows with how much has been read in
// one go. There are two ways:
//  - What is read for the first time goes past the page cache (piece_cache.hpp): most of a log is
//    read once by each of few readers, and need not push out what is read often.
//  - What is read again goes through the page cache, which is told to read ahead: from the third
//    time on it is in memory as long as there is room.
// Look-ups are always the page cache's.

#include <rocksdb/file_system.h>

#include <memory>

namespace casc::storage {

enum class FirstReads { through_page_cache, direct };

// `direct` where the file system can (O_DIRECT).
// Thread: any, as `target`.
[[nodiscard]] std::shared_ptr<rocksdb::FileSystem> make_read_ahead_file_system(
    std::shared_ptr<rocksdb::FileSystem> target, FirstReads first_reads);

}  // namespace casc::storage
