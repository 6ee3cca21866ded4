#include "retention.hpp"

#include "entry_records.hpp"

#include <casc/types/fail_point.hpp>

namespace casc::storage {

namespace {

using Starts =
    boost::unordered_flat_map<std::uint64_t, std::uint64_t>;  // by log; UINT64_MAX: erased

// What is in a slice, and how much of it is alive.
struct Census {
    Starts starts;
    std::vector<LogId> dead_logs;
    std::uint64_t live_bytes = 0;
    bool empty = true;
};

Result<std::uint64_t> start_of(const Rocks& rocks, LogId log) {
    CASC_TRY(const auto stored, rocks.get(log_key(log)));
    if (!stored) return UINT64_MAX;
    const auto row = row_from<LogRow>(*stored);
    if (!row)
        return Error(ErrorCode::data_corrupt, "the row of log " + std::to_string(log.value()));
    return row->start;
}

void count(Census& census, LogId log, const DirectoryRow& row, std::uint64_t start) {
    census.empty = false;
    census.starts[log.value()] = start;
    if (start >= row.end) {
        census.dead_logs.push_back(log);
    } else if (start <= row.first) {
        census.live_bytes += row.bytes;
    } else {
        // Events of a log are taken to be of one size.
        const auto live =
            static_cast<double>(row.end - start) / static_cast<double>(row.end - row.first);
        census.live_bytes += static_cast<std::uint64_t>(static_cast<double>(row.bytes) * live);
    }
}

Result<Census> take_census(const Rocks& rocks, const Slice& slice) {
    Census census;
    const std::string end = first_batch_key();
    const rocksdb::Slice upper(end);
    auto options = Rocks::read_options();
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> rows(rocks.db().NewIterator(options, slice.handle));
    for (rows->Seek(batch_key(0, 1)); rows->Valid(); rows->Next()) {
        const LogId log(read_big_endian(text_of(rows->key()), 8));
        const auto row = row_from<DirectoryRow>(text_of(rows->value()));
        if (!row) return Error(ErrorCode::data_corrupt, "a directory row in a slice");
        CASC_TRY(const auto start, start_of(rocks, log));
        count(census, log, *row, start);
    }
    CASC_TRY_ROCKS(rows->status(), "reading the directory of a slice");
    return census;
}

// The rows go first: a directory that misses a slice full of dead events harms nobody, one that
// names a slice which is gone would.
Result<void> forget_in_directory(Rocks& rocks, SliceId slice, const std::vector<LogId>& logs) {
    rocksdb::WriteBatch rows;
    for (const LogId log : logs)
        rows.Delete(rocks.state(), directory_key(log, slice));
    CASC_TRY_ROCKS(rocks.db().Write(Rocks::write_options(), &rows), "forgetting a slice");
    return rocks.flush_state();
}

// True when the row of a slice may go: events below the low-water mark and directory rows of dead
// logs.
DeadRowTest dead_rows(Starts starts) {
    return [starts = std::move(starts)](std::string_view key, std::span<const std::byte> value) {
        const std::uint64_t log = read_big_endian(key, 0);
        if (log == 0) {
            const auto at = starts.find(read_big_endian(key, 8));
            const auto row =
                row_from<DirectoryRow>({reinterpret_cast<const char*>(value.data()), value.size()});
            return at != starts.end() && row && at->second >= row->end;
        }
        const auto at = starts.find(log);
        if (at == starts.end() || value.size() < wire::kBatchOverheadBytes) return false;
        return read_big_endian(key, 8) + peek_header(value).event_count <= at->second;
    };
}

}  // namespace

bool Reclaimer::is_sparse(const History& seen, std::uint64_t live_bytes, std::uint64_t file_bytes) {
    // Measured against the files, not the directory, which still counts what an earlier rewrite has
    // removed.
    return live_bytes < file_bytes / 4 && live_bytes < seen.live_when_rewritten / 2;
}

bool Reclaimer::is_half_empty(const History& seen, std::uint64_t live_bytes,
                              std::uint64_t file_bytes) {
    // Files have an index and directory rows, too.
    constexpr std::uint64_t worth_it = 256_KiB;
    if (file_bytes < 2 * live_bytes + worth_it) return false;
    return live_bytes < seen.live_when_rewritten / 2 || file_bytes / 2 > seen.file_when_rewritten;
}

std::optional<MonoNanos> Reclaimer::ripe_at(const Slice& slice, History& seen,
                                            std::uint64_t live_bytes, MonoNanos now,
                                            bool space_short) const {
    const auto wait = MonoNanos::distance(rewrite_after_.count());
    const std::uint64_t file_bytes = slice.file_bytes();
    if (slice.id.retention == RetentionClass::compacted &&
        is_half_empty(seen, live_bytes, file_bytes))
        return now;
    const bool sparse = slice.id != slices_.current(slice.id.retention)->id &&
                        is_sparse(seen, live_bytes, file_bytes);
    if (!sparse) seen.sparse_since.reset();
    if (sparse && !seen.sparse_since) seen.sparse_since = now;
    const auto since = seen.sparse_since ? seen.sparse_since : seen.wanted_since;
    if (!since) return std::nullopt;
    return space_short ? now : *since + wait;
}

Result<void> Reclaimer::run(MonoNanos now, bool space_short) {
    due_.reset();
    bool rewritten = false;
    std::map<SliceId, History> histories;
    for (const SliceRef& slice : slices_.all()) {
        CASC_TRY(Census census, take_census(rocks_, *slice));
        if (census.empty) continue;  // made for a checkpoint that has not come
        if (census.live_bytes == 0 && census.dead_logs.size() == census.starts.size()) {
            CASC_TRY_VOID(forget_in_directory(rocks_, slice->id, census.dead_logs));
            CASC_FAIL_POINT("retention.drop");
            CASC_TRY_VOID(slices_.drop(slice));
            continue;
        }
        History& seen = histories[slice->id] = histories_[slice->id];
        const auto ripe = ripe_at(*slice, seen, census.live_bytes, now, space_short);
        if (!ripe) continue;
        if (rewritten || now < *ripe) {
            due_ = std::min(due_.value_or(*ripe), *ripe);
            continue;
        }
        CASC_TRY_VOID(forget_in_directory(rocks_, slice->id, census.dead_logs));
        CASC_FAIL_POINT("retention.rewrite");
        CASC_TRY_VOID(rocks_.rewrite(slice->handle, dead_rows(std::move(census.starts))));
        seen = {.sparse_since = {},
                .live_when_rewritten = census.live_bytes,
                .file_when_rewritten = slice->file_bytes(),
                .wanted_since = {}};
        rewritten = true;
    }
    histories_ = std::move(histories);
    return {};
}

}  // namespace casc::storage
