#pragma once
// storage/src/write_behind_file_system.hpp: whoever makes an SST file need not wait for the device.
//
// RocksDB fills a buffer, waits until it is written, and fills it again: the device idles while
// a checkpoint is put together, and the processor idles while it is written. Here what is appended
// goes to a ChunkWriter. RocksDB's own buffer can then be small enough to stay in the processor's
// cache, so that the copy costs little.
//
// A write that fails is told by the next call that appends or makes anything durable; Sync, Fsync,
// Truncate and Close wait for everything before them.

#include <rocksdb/file_system.h>

#include <memory>

namespace casc::storage {

// For files opened for direct writes; others pass through untouched.
// Thread:   files of it are written by one thread at a time, all of them.
// Lifetime: the file system must outlive its files.
[[nodiscard]] std::shared_ptr<rocksdb::FileSystem> make_write_behind_file_system(
    std::shared_ptr<rocksdb::FileSystem> target);

}  // namespace casc::storage
