// The one file outside storage/src that includes RocksDB: a baseline must not run through the code
// it is held against.
#include "limits_rocksdb.hpp"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>

namespace casc::bench {
namespace {

void check(const rocksdb::Status& status) {
    if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
}

rocksdb::Options like_the_store() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.compaction_style = rocksdb::kCompactionStyleNone;
    options.disable_auto_compactions = true;
    options.level0_slowdown_writes_trigger = 1 << 30;
    options.level0_stop_writes_trigger = 1 << 30;
    options.write_buffer_size = 64u << 20;
    options.max_write_buffer_number = 4;
    options.max_background_jobs = 2;
    options.use_direct_io_for_flush_and_compaction = true;
    options.writable_file_max_buffer_size = 4u << 20;
    options.recycle_log_file_num =
        4;  // an overwritten log needs no new blocks, as our journal's segments
    rocksdb::BlockBasedTableOptions table;
    table.block_size = 32u << 10;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

// Big-endian, so that rows lie in the order in which they are written.
std::array<char, 16> key_of(std::uint64_t number) {
    std::array<char, 16> key{};
    for (std::size_t i = 0; i < sizeof number; ++i)
        key[15 - i] = static_cast<char>(number >> (8 * i));
    return key;
}

}  // namespace

double rocksdb_wal_bytes_per_second(const std::filesystem::path& folder,
                                    const std::vector<std::span<const std::byte>>& values,
                                    std::uint64_t total_bytes) {
    rocksdb::DB* raw = nullptr;
    check(rocksdb::DB::Open(like_the_store(), (folder / "rocksdb-wal").string(), &raw));
    const std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::WriteOptions each_synced;
    each_synced.sync = true;
    const auto began = std::chrono::steady_clock::now();
    std::uint64_t bytes = 0;
    for (std::uint64_t row = 0; bytes < total_bytes; ++row) {
        const auto key = key_of(row);
        const auto value = values[row % values.size()];
        check(db->Put(each_synced, rocksdb::Slice(key.data(), key.size()),
                      rocksdb::Slice(reinterpret_cast<const char*>(value.data()), value.size())));
        bytes += value.size();
    }
    check(db->Flush({}));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    check(db->Close());
    return static_cast<double>(bytes) / took.count();
}

}  // namespace casc::bench
