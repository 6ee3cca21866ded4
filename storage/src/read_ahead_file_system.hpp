#pragma once
// storage/src/read_ahead_file_system.hpp: whoever reads a stored file from front to back finds the
// next part in memory.
//
// RocksDB reads ahead into a buffer, but waits for each fill of it, so that the device idles while
// the batches are copied and the processor idles while they are read. Here a read that continues
// an earlier one asks the kernel for what comes next before it is carried out; the kernel reads
// that meanwhile. How much grows with how much has been read in one go.

#include <rocksdb/file_system.h>

#include <memory>

namespace casc::storage {

// Thread: any, as `target`.
[[nodiscard]] std::shared_ptr<rocksdb::FileSystem> make_read_ahead_file_system(
    std::shared_ptr<rocksdb::FileSystem> target);

}  // namespace casc::storage
