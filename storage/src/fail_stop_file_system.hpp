#pragma once
// storage/src/fail_stop_file_system.hpp: after a write that failed, RocksDB's folder stays exactly
// as it is.
//
// RocksDB tidies up after an error: it deletes the SST file that it could not record in the
// MANIFEST. But a write or sync that reports a failure may have reached the disk all the same, and
// then the next start finds a MANIFEST that names a file which is gone. A store that has failed is
// frozen anyway (Store::failure()), so from the first failure on nothing below the folder is
// written, renamed or deleted any more, and the next start finds what a crash at that moment
// leaves.

#include <rocksdb/file_system.h>

#include <filesystem>
#include <memory>

namespace casc::storage {

// Everything outside `folder` (backups, which may fail without harm) passes through untouched.
// Thread: any, as `target`.
[[nodiscard]] std::shared_ptr<rocksdb::FileSystem> make_fail_stop_file_system(
    std::shared_ptr<rocksdb::FileSystem> target, const std::filesystem::path& folder);

}  // namespace casc::storage
