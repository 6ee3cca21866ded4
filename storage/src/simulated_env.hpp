#pragma once
// storage/src/simulated_env.hpp: RocksDB's environment over a simulated disk.
//
// After a flush that failed RocksDB's thread waits a second before it looks again, and closing the
// database waits for that thread. On a simulated disk, which fails hundreds of times in one test,
// those were most of its time.

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <memory>

namespace casc::storage {

// The system's environment with `files` as its files and a clock that does not pause for longer
// than a millisecond. Thread: any.
[[nodiscard]] std::unique_ptr<rocksdb::Env> make_simulated_env(
    const std::shared_ptr<rocksdb::FileSystem>& files);

}  // namespace casc::storage
