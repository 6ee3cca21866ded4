#include "checkpoint.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/fail_point.hpp>
#include <casc/wire/tombstone.hpp>

#include <rocksdb/sst_file_writer.h>

#include <algorithm>

namespace casc::storage {

namespace {
// The big-endian pair (log, base) without an allocation; made once per batch.
struct BatchKey {
    BatchKey(std::uint64_t log, std::uint64_t base)
        : words{__builtin_bswap64(log), __builtin_bswap64(base)} {}
    [[nodiscard]] rocksdb::Slice slice() const {
        return {reinterpret_cast<const char*>(words), sizeof words};
    }
    std::uint64_t words[2];
};
}  // namespace

Checkpointer::Checkpointer(Rocks& rocks, SliceSet& slices, std::filesystem::path ingest_directory,
                           std::size_t slice_bytes, JournalSequence applied,
                           const AppliedByClass& applied_by_class)
    : rocks_(rocks),
      slices_(slices),
      ingest_directory_(std::move(ingest_directory)),
      slice_bytes_(slice_bytes),
      last_(applied),
      applied_(applied),
      applied_by_class_(applied_by_class) {}

void Checkpointer::add(Entry entry) {
    CASC_ASSERT(entry.sequence > last_, entry.sequence.value(), last_.value());
    last_ = entry.sequence;
    add_records(entry);
    for (const LogChange& change : entry.changes) {
        logs_[change.log.value()] = change.erased ? std::nullopt : std::optional(change.row);
    }
    pending_bytes_ += entry.memory_bytes();
    blocks_.push_back(std::move(entry.block));
}

void Checkpointer::add_records(const Entry& entry) {
    RecordCursor cursor(entry.body());
    Record record;
    while (cursor.next(record)) {
        breather_.breathe();
        switch (record.header.kind) {
            case RecordKind::batch: {
                const std::size_t retention = record.header.table;
                // The rows of its keys are written with the state, whether or not it is in a slice.
                if (static_cast<RetentionClass>(retention) == RetentionClass::compacted)
                    note_keys(record.log(), record.value);
                // Already in a slice: the crash came after the ingestion and before the state was
                // written.
                if (entry.sequence <= applied_by_class_[retention]) break;
                batches_[retention].push_back(
                    {record.header.log, peek_stamp(record.value).base_offset, record.value});
                break;
            }
            case RecordKind::put:
                state_rows_[state_key(record.header.table, record.key)] =
                    std::string(record.value_text());
                break;
            case RecordKind::erase:
                state_rows_[state_key(record.header.table, record.key)] = std::nullopt;
                break;
            case RecordKind::trim:
            case RecordKind::erase_log:
            case RecordKind::reserve:
                break;  // seen in the log rows that the entry carries
        }
    }
    CASC_ASSERT(cursor.ok(), entry.sequence.value());
}

void Checkpointer::note_keys(LogId log, std::span<const std::byte> bytes) {
    const auto batch = wire::BatchView::parse(bytes);
    CASC_ASSERT(batch, log.value());  // the broker has checked it, and the journal its checksum
    keyed_logs_.insert(log);
    for (std::uint32_t i = 0; i < batch->event_count(); ++i) {
        const auto key = batch->value(wire::Column::keys, i);
        if (!key) continue;  // the broker refuses such
        const KeyRow row{.offset = batch->stamp().base_offset + i,
                         .append_time = batch->stamp().append_time,
                         .value_bytes = wire::payload_bytes(*batch, i),
                         .is_tombstone = wire::is_tombstone(*batch, i)};
        state_rows_[key_row_key(log, {reinterpret_cast<const char*>(key->data()), key->size()})] =
            row_bytes(row);
    }
}

Result<void> Checkpointer::erase_keys(LogId log, rocksdb::WriteBatch& state) {
    const std::string first = key_row_prefix(log);
    const std::string end = key_row_prefix(LogId(log.value() + 1));
    const rocksdb::Slice upper(end);
    auto options = Rocks::read_options();
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> rows(rocks_.db().NewIterator(options, rocks_.state()));
    rows->Seek(first);
    CASC_TRY_ROCKS(rows->status(), "looking for keys");
    // Not for every log: a deleted range makes reading slower.
    if (!rows->Valid() && !keyed_logs_.contains(log)) return {};
    state.DeleteRange(rocks_.state(), first, end);
    state.Delete(rocks_.state(), compacted_key(log));
    return {};
}

void Checkpointer::forget_directory(SliceId slice) {
    DirectoryCache& cache = directories_[static_cast<std::size_t>(slice.retention)];
    if (cache.slice == slice) cache.rows.clear();
}

Result<void> Checkpointer::checkpoint(EpochNanos now) {
    if (last_ == applied_ && logs_.empty()) return {};
    CASC_FAIL_POINT("checkpoint.begin");
    rocksdb::WriteBatch state;
    CASC_TRY_VOID(ingest_batches(now, state));
    CASC_TRY_VOID(write_state(state));
    CASC_FAIL_POINT("checkpoint.state_written");
    applied_ = last_;
    ++count_;
    forget_pending();
    return {};
}

Result<void> Checkpointer::ingest_batches(EpochNanos now, rocksdb::WriteBatch& state) {
    std::vector<rocksdb::IngestExternalFileArg> files;
    std::vector<SliceRef> touched;
    for (std::size_t i = 0; i < kRetentionClassCount; ++i) {
        auto& batches = batches_[i];
        if (batches.empty()) continue;
        const auto retention = static_cast<RetentionClass>(i);
        // Appended in offset order per log, so this brings whole logs together and keeps their
        // order.
        std::sort(batches.begin(), batches.end(), [](const PendingBatch& a, const PendingBatch& b) {
            return a.log != b.log ? a.log < b.log : a.base < b.base;
        });
        CASC_TRY(SliceRef slice, slice_for(retention, now));
        CASC_TRY(auto rows, directory_rows(retention, slice->id));
        if (!rows) {
            CASC_TRY(slice, slices_.create(retention, now));
            CASC_TRY(rows, directory_rows(retention, slice->id));
            CASC_ASSERT(rows.has_value(), slice->id.number);
        }
        const std::string path =
            (ingest_directory_ / (std::to_string(++files_made_) + ".sst")).string();
        CASC_TRY_VOID(write_sst(path, batches, *rows));
        for (const auto& [log, row] : *rows) {
            state.Put(rocks_.state(), directory_key(log, slice->id), rocks_slice(row_bytes(row)));
        }
        rocksdb::IngestExternalFileArg file;
        file.column_family = slice->handle;
        file.external_files = {path};
        file.options.move_files = true;
        file.options.write_global_seqno = false;  // no write into a finished file
        files.push_back(std::move(file));
        touched.push_back(slice);
    }
    if (files.empty()) return {};
    CASC_FAIL_POINT("checkpoint.sst_written");
    CASC_TRY_ROCKS(rocks_.db().IngestExternalFiles(files), "ingesting");
    CASC_FAIL_POINT("checkpoint.ingested");
    for (const SliceRef& slice : touched)
        applied_by_class_[static_cast<std::size_t>(slice->id.retention)] = last_;
    return {};
}

Result<SliceRef> Checkpointer::slice_for(RetentionClass retention, EpochNanos now) {
    SliceRef current = slices_.current(retention);
    if (current != nullptr) {
        const std::int64_t span = slice_span_ns(retention);
        const bool too_old = span != 0 && (now - current->created).value() >= span;
        if (!too_old && current->file_bytes() < slice_bytes_) return current;
    }
    return slices_.create(retention, now);
}

Result<std::optional<Checkpointer::LogRows>> Checkpointer::directory_rows(RetentionClass retention,
                                                                          SliceId slice) {
    DirectoryCache& cache = directories_[static_cast<std::size_t>(retention)];
    if (cache.slice != slice || cache.rows.size() > kDirectoryRowsMax) {
        cache.rows.clear();
        cache.slice = slice;
    }
    LogRows rows;
    for (const PendingBatch& batch : batches_[static_cast<std::size_t>(retention)]) {
        breather_.breathe();
        const LogId log(batch.log);
        if (rows.empty() || rows.back().first != log) {
            auto [at, is_new] = cache.rows.try_emplace(batch.log);
            if (is_new) {
                CASC_TRY(const auto stored, rocks_.get(directory_key(log, slice)));
                if (stored) at->second = row_from<DirectoryRow>(*stored).value_or(DirectoryRow{});
            }
            if (at->second.batches != 0 && at->second.end != batch.base)
                return std::optional<LogRows>();
            rows.emplace_back(log, at->second);
        }
        DirectoryRow& row = rows.back().second;
        const auto stamp = peek_stamp(batch.bytes);
        if (row.batches == 0) {
            row.first = batch.base;
            row.first_time = stamp.append_time;
        }
        row.end = batch.base + peek_header(batch.bytes).event_count;
        row.bytes += batch.bytes.size();
        row.last_time = stamp.append_time;
        ++row.batches;
    }
    for (const auto& [log, row] : rows)
        cache.rows[log.value()] = row;
    return std::optional(std::move(rows));
}

Result<void> Checkpointer::write_sst(const std::string& path,
                                     const std::vector<PendingBatch>& batches,
                                     const LogRows& rows) {
    rocksdb::SstFileWriter file(rocks_.sst_env_options(), rocks_.sst_options());
    CASC_TRY_ROCKS(file.Open(path), "creating an SST file");
    const std::uint64_t applied = last_.value();
    CASC_TRY_ROCKS(file.Put(slice_applied_key(), rocks_slice(row_bytes(applied))),
                   "writing an SST file");
    for (const auto& [log, row] : rows) {
        CASC_TRY_ROCKS(file.Put(BatchKey(0, log.value()).slice(), rocks_slice(row_bytes(row))),
                       "writing an SST file");
    }
    for (const PendingBatch& batch : batches) {
        breather_.breathe();
        const rocksdb::Slice value(reinterpret_cast<const char*>(batch.bytes.data()),
                                   batch.bytes.size());
        CASC_TRY_ROCKS(file.Put(BatchKey(batch.log, batch.base).slice(), value),
                       "writing an SST file");
    }
    rocksdb::ExternalSstFileInfo info;
    CASC_TRY_ROCKS(file.Finish(&info), "finishing an SST file");
    sst_bytes_written_ += info.file_size;
    return {};
}

Result<void> Checkpointer::write_state(rocksdb::WriteBatch& state) {
    for (const auto& [key, value] : state_rows_) {
        if (value) {
            state.Put(rocks_.state(), key, *value);
        } else {
            state.Delete(rocks_.state(), key);
        }
    }
    for (const auto& [log, row] : logs_) {
        if (row) {
            state.Put(rocks_.state(), log_key(LogId(log)), rocks_slice(row_bytes(*row)));
        } else {
            state.Delete(rocks_.state(), log_key(LogId(log)));
            CASC_TRY_VOID(erase_keys(LogId(log), state));
        }
    }
    const std::uint64_t applied = last_.value() + (seeded_bug("applied_too_high") ? 1 : 0);
    state.Put(rocks_.state(), meta_key(kAppliedKey), rocks_slice(row_bytes(applied)));
    CASC_TRY_ROCKS(rocks_.db().Write(Rocks::write_options(), &state), "writing state");
    return rocks_.flush_state();
}

Result<void> Checkpointer::mark_clean(bool clean) {
    const std::uint64_t applied = applied_.value();
    const auto options = Rocks::write_options();
    const auto status = clean ? rocks_.db().Put(options, rocks_.state(), meta_key(kCleanKey),
                                                rocks_slice(row_bytes(applied)))
                              : rocks_.db().Delete(options, rocks_.state(), meta_key(kCleanKey));
    CASC_TRY_ROCKS(status, "marking the shutdown");
    return rocks_.flush_state();
}

void Checkpointer::forget_pending() {
    blocks_.clear();
    for (auto& batches : batches_)
        batches.clear();
    state_rows_.clear();
    keyed_logs_.clear();
    logs_.clear();
    pending_bytes_ = 0;
}

}  // namespace casc::storage
