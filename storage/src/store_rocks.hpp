#pragma once
// storage/src/store_rocks.hpp: the door to RocksDB: how it is opened, and its answers as ours.

#include <casc/storage/store.hpp>

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>

#include <mutex>

namespace casc::storage {

[[nodiscard]] Error rocks_error(const rocksdb::Status& status, std::string_view doing);

#define CASC_TRY_ROCKS(expression, doing)                                                    \
    do {                                                                                     \
        if (const rocksdb::Status casc_rocks_status = (expression); !casc_rocks_status.ok()) \
            return rocks_error(casc_rocks_status, doing);                                    \
    } while (false)

inline rocksdb::Slice rocks_slice(std::string_view text) {
    return {text.data(), text.size()};
}
inline std::string_view text_of(const rocksdb::Slice& slice) {
    return {slice.data(), slice.size()};
}
inline std::span<const std::byte> bytes_of(const rocksdb::Slice& slice) {
    return std::as_bytes(std::span(slice.data(), slice.size()));
}

class ErrorListener;

// Asked by the compaction that rewrites a slice whether a row may go; see retention.cpp.
using DeadRowTest = std::function<bool(std::string_view key, std::span<const std::byte> value)>;

// An open database: state rows in the default column family, event data in one column family per
// slice.
//
// Thread:   the database itself any; it is written by the checkpoint thread only (before that
// thread starts, by
//           recovery).
// Lifetime: `disk` must outlive it; every iterator and slice must be gone before it.
class Rocks {
public:
    struct Opened {
        std::string name;  // of a slice's column family
        rocksdb::ColumnFamilyHandle* handle;
    };
    enum class Mode { create, existing, read_only };

    // Every column family but the default one is put into `slices`, whose owner takes over the
    // handles.
    [[nodiscard]] static Result<std::unique_ptr<Rocks>> open(Disk& disk,
                                                             const std::filesystem::path& directory,
                                                             std::size_t block_cache_bytes,
                                                             Mode mode,
                                                             std::vector<Opened>& slices);
    ~Rocks();
    Rocks(const Rocks&) = delete;
    Rocks& operator=(const Rocks&) = delete;

    [[nodiscard]] rocksdb::DB& db() const { return *db_; }
    [[nodiscard]] rocksdb::ColumnFamilyHandle* state() const { return state_; }
    [[nodiscard]] rocksdb::Env* env() const { return options_.env; }
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

    // For column families of slices, and for SST files built for them.
    [[nodiscard]] rocksdb::ColumnFamilyOptions slice_options() const;
    [[nodiscard]] rocksdb::Options sst_options() const;
    [[nodiscard]] rocksdb::EnvOptions sst_env_options() const;
    [[nodiscard]] static rocksdb::WriteOptions write_options();
    [[nodiscard]] static rocksdb::ReadOptions read_options();

    [[nodiscard]] Result<std::optional<std::string>> get(const std::string& state_key) const;
    // Makes everything written to the state column family durable.
    [[nodiscard]] Result<void> flush_state();
    // Rewrites the files of a slice without the rows for which `dead` is true. Runs in the calling
    // thread.
    [[nodiscard]] Result<void> rewrite(rocksdb::ColumnFamilyHandle* slice, DeadRowTest dead);
    // What RocksDB's own threads have run into, if anything.
    [[nodiscard]] std::optional<Error> background_error() const;

private:
    Rocks() = default;

    std::filesystem::path directory_;
    bool direct_io_ = false;
    std::unique_ptr<rocksdb::Env> env_;
    std::unique_ptr<rocksdb::Env> sst_env_;  // for files made by the checkpoint thread; else null
    std::shared_ptr<ErrorListener> listener_;
    std::shared_ptr<DeadRowTest>
        dead_rows_;  // set while rewrite() runs, asked only by the compaction it starts
    rocksdb::Options options_;
    std::unique_ptr<rocksdb::DB> db_;
    rocksdb::ColumnFamilyHandle* state_ = nullptr;
};

}  // namespace casc::storage
