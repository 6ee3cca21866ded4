#include "store_rocks.hpp"

#include "fail_stop_file_system.hpp"
#include "read_ahead_file_system.hpp"
#include "simulated_env.hpp"
#include "write_behind_file_system.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

namespace casc::storage {

// What went wrong first on one of RocksDB's own threads.
// Thread: OnBackgroundError RocksDB's; first() any. The mutex is a leaf: nothing is called under
// it.
class ErrorListener final : public rocksdb::EventListener {
public:
    void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
        const std::lock_guard lock(mutex_);
        if (!first_) first_ = rocks_error(*status, "in the background");
    }
    [[nodiscard]] std::optional<Error> first() const {
        const std::lock_guard lock(mutex_);
        return first_;
    }

private:
    mutable std::mutex mutex_;
    std::optional<Error> first_;
};

namespace {

class DeadRowFilter final : public rocksdb::CompactionFilter {
public:
    explicit DeadRowFilter(std::shared_ptr<DeadRowTest> dead) : dead_(std::move(dead)) {}
    bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*,
                bool*) const override {
        return *dead_ && (*dead_)(text_of(key), bytes_of(value));
    }
    const char* Name() const override { return "casc.dead_rows"; }

private:
    std::shared_ptr<DeadRowTest> dead_;
};

class DeadRowFilterFactory final : public rocksdb::CompactionFilterFactory {
public:
    explicit DeadRowFilterFactory(std::shared_ptr<DeadRowTest> dead) : dead_(std::move(dead)) {}
    std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
        const rocksdb::CompactionFilter::Context&) override {
        return std::make_unique<DeadRowFilter>(dead_);
    }
    const char* Name() const override { return "casc.dead_rows"; }

private:
    std::shared_ptr<DeadRowTest> dead_;
};

// For file systems that have no place for RocksDB's own text log.
class SilentLogger final : public rocksdb::Logger {
public:
    using rocksdb::Logger::Logv;
    void Logv(const char*, va_list) override {}
};

// The product's limit is 1000 open files for everything; RocksDB may have half of them.
constexpr int kOpenFilesMax = 500;
// Stays in the processor's cache on the way to the chunks (write_behind_file_system.hpp).
constexpr std::size_t kSstBufferBytes = 64_KiB;

rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.format_version = 5;
    table.checksum = rocksdb::kXXH3;
    // Our file system reads ahead (read_ahead_file_system): RocksDB's own way waits for every fill
    // of its buffer, and reads ahead in each file of a slice as soon as an iterator looks into it.
    table.max_auto_readahead_size = 0;
    return table;
}

rocksdb::ColumnFamilyOptions state_options(const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::ColumnFamilyOptions options;
    auto table = table_options(cache);
    table.block_size = 8_KiB;
    // Most look-ups of a checkpoint ask for directory rows that do not exist yet.
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size =
        64_MiB;  // one checkpoint fits, so that it is flushed once, on purpose
    options.target_file_size_base = 16_MiB;
    return options;
}

rocksdb::Options database_options(rocksdb::Env* env, bool direct_io) {
    rocksdb::Options options;
    options.env = env;
    options.paranoid_checks = true;
    options.max_open_files = kOpenFilesMax;
    options.max_background_jobs = 2;
    options.use_direct_io_for_flush_and_compaction = direct_io;
    options.writable_file_max_buffer_size = 4_MiB;
    options.keep_log_file_num = 2;
    options.max_log_file_size = 4_MiB;
    options.info_log_level = rocksdb::WARN_LEVEL;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.skip_stats_update_on_db_open = true;
    options.skip_checking_sst_file_sizes_on_db_open = true;
    return options;
}

ErrorCode code_of(const rocksdb::Status& status) {
    if (status.IsCorruption()) return ErrorCode::data_corrupt;
    if (status.IsNoSpace()) return ErrorCode::disk_full;
    if (status.IsPathNotFound() || status.IsNotFound()) return ErrorCode::data_missing;
    if (status.IsIOError()) {
        return status.ToString().find("lock") != std::string::npos ? ErrorCode::data_locked
                                                                   : ErrorCode::io_failed;
    }
    if (status.IsInvalidArgument() && status.ToString().find("does not exist") != std::string::npos)
        return ErrorCode::data_missing;
    return ErrorCode::storage_failed;
}

}  // namespace

Error rocks_error(const rocksdb::Status& status, std::string_view doing) {
    return {code_of(status), "RocksDB, " + std::string(doing) + ": " + status.ToString()};
}

Result<std::unique_ptr<Rocks>> Rocks::open(Disk& disk, const std::filesystem::path& directory,
                                           std::size_t block_cache_bytes, Mode mode,
                                           std::vector<Opened>& slices) {
    auto rocks = std::unique_ptr<Rocks>(new Rocks);
    rocks->directory_ = directory;
    rocks->direct_io_ =
        disk.name() == "io_uring";  // the other implementations stand in where O_DIRECT is missing
    const auto simulated =
        std::static_pointer_cast<rocksdb::FileSystem>(disk.rocksdb_file_system());
    const auto first_reads =
        rocks->direct_io_ ? FirstReads::direct : FirstReads::through_page_cache;
    const auto files = make_fail_stop_file_system(
        simulated ? simulated
                  : make_read_ahead_file_system(rocksdb::FileSystem::Default(), first_reads),
        directory);
    rocks->env_ = simulated ? make_simulated_env(files) : rocksdb::NewCompositeEnv(files);
    if (mode != Mode::read_only && (rocks->direct_io_ || simulated))
        rocks->sst_env_ = rocksdb::NewCompositeEnv(make_write_behind_file_system(files));
    rocks->listener_ = std::make_shared<ErrorListener>();
    rocks->dead_rows_ = std::make_shared<DeadRowTest>();

    rocks->options_ = database_options(rocks->env_.get(), rocks->direct_io_);
    // Its own threads flush and close files; see CheckpointThread.
    for (const auto pool : {rocksdb::Env::HIGH, rocksdb::Env::LOW})
        static_cast<void>(
            rocks->env_->LowerThreadPoolCPUPriority(pool, rocksdb::CpuPriority::kLow));
    if (simulated) {
        rocks->options_.info_log = std::make_shared<SilentLogger>();
        rocks->options_.max_file_opening_threads = 1;  // there is no latency to hide
    }
    rocks->options_.create_if_missing = mode == Mode::create;
    rocks->options_.listeners.push_back(rocks->listener_);
    const auto cache = rocksdb::NewLRUCache(block_cache_bytes);
    rocks->options_.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(cache)));

    std::vector<std::string> names;
    const auto listed =
        rocksdb::DB::ListColumnFamilies(rocks->options_, directory.string(), &names);
    if (!listed.ok()) {
        if (mode != Mode::create) return rocks_error(listed, "listing column families");
        names = {rocksdb::kDefaultColumnFamilyName};
    }
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names) {
        const bool is_state = name == rocksdb::kDefaultColumnFamilyName;
        families.emplace_back(name, is_state ? state_options(cache) : rocks->slice_options());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto opened =
        mode == Mode::read_only
            ? rocksdb::DB::OpenForReadOnly(rocks->options_, directory.string(), families, &handles,
                                           &db)
            : rocksdb::DB::Open(rocks->options_, directory.string(), families, &handles, &db);
    if (!opened.ok()) return rocks_error(opened, "opening");
    rocks->db_.reset(db);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == rocksdb::kDefaultColumnFamilyName) {
            rocks->state_ = handles[i];
        } else {
            slices.push_back({names[i], handles[i]});
        }
    }
    return rocks;
}

Rocks::~Rocks() {
    if (state_ != nullptr) db_->DestroyColumnFamilyHandle(state_);
}

rocksdb::ColumnFamilyOptions Rocks::slice_options() const {
    rocksdb::ColumnFamilyOptions options;
    // Batches are 16 KiB to 1 MiB, so most have a block to themselves; smaller ones share.
    auto table = table_options(nullptr);
    table.block_cache =
        options_.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>()->block_cache;
    table.block_size = 32_KiB;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.compression = rocksdb::kNoCompression;  // producers compress
    options.compaction_style = rocksdb::kCompactionStyleNone;
    options.disable_auto_compactions = true;
    options.num_levels = 2;  // 0: as ingested, 1: rewritten by retention
    options.level0_file_num_compaction_trigger = 1 << 30;
    options.level0_slowdown_writes_trigger = 1 << 30;
    options.level0_stop_writes_trigger = 1 << 30;
    options.soft_pending_compaction_bytes_limit = 0;
    options.hard_pending_compaction_bytes_limit = 0;
    options.write_buffer_size = 64_KiB;  // never used: slices are only ingested into
    options.target_file_size_base = 256_MiB;
    options.compaction_filter_factory = std::make_shared<DeadRowFilterFactory>(dead_rows_);
    return options;
}

rocksdb::Options Rocks::sst_options() const {
    rocksdb::Options options(options_, slice_options());
    if (sst_env_) options.env = sst_env_.get();
    return options;
}

rocksdb::EnvOptions Rocks::sst_env_options() const {
    rocksdb::EnvOptions options(options_);
    options.use_mmap_writes = false;
    if (sst_env_) {
        options.use_direct_writes = true;
        options.writable_file_max_buffer_size = kSstBufferBytes;
    }
    return options;
}

rocksdb::WriteOptions Rocks::write_options() {
    rocksdb::WriteOptions options;
    options.disableWAL = true;  // the journal is the write-ahead log
    return options;
}

rocksdb::ReadOptions Rocks::read_options() {
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    return options;
}

Result<std::optional<std::string>> Rocks::get(const std::string& state_key) const {
    std::string value;
    const auto status = db_->Get(read_options(), state_, state_key, &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    CASC_TRY_ROCKS(status, "reading a state row");
    return std::optional(std::move(value));
}

Result<void> Rocks::flush_state() {
    rocksdb::FlushOptions options;
    options.wait = true;
    options.allow_write_stall = true;
    CASC_TRY_ROCKS(db_->Flush(options, state_), "flushing state");
    return {};
}

Result<void> Rocks::rewrite(rocksdb::ColumnFamilyHandle* slice, DeadRowTest dead) {
    rocksdb::ColumnFamilyMetaData files;
    db_->GetColumnFamilyMetaData(slice, &files);
    std::vector<std::string> names;
    for (const auto& level : files.levels) {
        for (const auto& file : level.files)
            names.push_back(file.name);
    }
    if (names.empty()) return {};
    *dead_rows_ = std::move(dead);
    rocksdb::CompactionOptions options;
    options.compression = rocksdb::kNoCompression;
    options.max_subcompactions = 1;
    const auto status = db_->CompactFiles(options, slice, names, 1);
    *dead_rows_ = nullptr;
    CASC_TRY_ROCKS(status, "rewriting a slice");
    return {};
}

std::optional<Error> Rocks::background_error() const {
    return listener_->first();
}

}  // namespace casc::storage
