// storage/src/store_recovery.cpp: how a store starts: from what RocksDB has, and from the journal
// what it lacks.

#include "store_format.hpp"
#include "store_impl.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>

namespace casc::storage {

Result<void> Store::Impl::recover() {
    CASC_TRY(const bool is_new, claim_folder());
    if (!is_new) CASC_TRY_VOID(examine());
    CASC_TRY_VOID(raise_format());
    CASC_TRY_VOID(open_rocks(is_new));
    CASC_TRY_VOID(replay());
    CASC_TRY_VOID(continue_logs());
    check_space();
    start_threads();
    return {};
}

// --- the folder ----------------------------------------------------------------------------------

Result<bool> Store::Impl::claim_folder() {
    if (auto made = disk_.make_directories(paths_.root); !made)
        return Error(ErrorCode::data_unwritable, made.error().detail);
    auto lock = disk_.lock(paths_.lock);
    if (!lock)
        return lock.error().code == ErrorCode::data_locked
                   ? lock.error()
                   : Error(ErrorCode::data_unwritable, lock.error().detail);
    lock_ = std::move(*lock);
    const auto format = StoreFormat::read(disk_, paths_.format);
    if (format) {
        restored_ = format->restored;
        is_older_ = format->version < StoreFormat::kVersion;
        return was_never_opened();
    }
    if (format.error().code != ErrorCode::data_missing) return format.error();
    CASC_TRY(const auto names, disk_.list(paths_.root));
    for (const auto& name : names) {
        if (name == paths_.rocks.filename() || name == paths_.journal.filename())
            return Error(ErrorCode::data_missing,
                         "'" + paths_.root.string() +
                             "' has data but no FORMAT file: restore the file or the folder");
    }
    // First of all, so that a folder with data has it even if we are killed in the next line.
    if (auto written = disk_.replace_file(paths_.format, StoreFormat{}.text()); !written)
        return Error(ErrorCode::data_unwritable, written.error().detail);
    return true;
}

// Whoever is killed during the very first start has a FORMAT and maybe half a database, but never a
// journal.
bool Store::Impl::was_never_opened() const {
    if (restored_) return false;
    if (const auto journal = disk_.list(paths_.journal); journal && !journal->empty()) return false;
    const auto rows = disk_.list(paths_.rocks);
    return !rows || std::find(rows->begin(), rows->end(), "CURRENT") == rows->end();
}

// Before anything is written that an older casc would misread.
Result<void> Store::Impl::raise_format() {
    if (!is_older_) return {};
    StoreFormat format;
    format.restored = restored_;
    return disk_.replace_file(paths_.format, format.text());
}

// Reads all that a start depends on before anything is changed: opening a RocksDB database to write
// begins with a new MANIFEST, and a folder that is refused stays as it was found.
Result<void> Store::Impl::examine() {
    std::vector<Rocks::Opened> opened;
    CASC_TRY(rocks_, Rocks::open(disk_, paths_.rocks, options_.block_cache_bytes,
                                 Rocks::Mode::read_only, opened));
    CASC_TRY(slices_, SliceSet::adopt(*rocks_, std::move(opened)));
    CASC_TRY_VOID(examine_slices());
    CASC_TRY_VOID(load_logs());
    CASC_TRY_VOID(examine_journal());
    slices_.reset();
    rocks_.reset();
    return {};
}

Result<void> Store::Impl::examine_slices() {
    CASC_TRY(const auto applied, load_applied());
    rocksdb::WriteBatch rows;  // what repair_directory() is going to read
    for (const SliceRef& slice : applied.ahead)
        CASC_TRY_VOID(read_directory(slice, rows));
    return {};
}

// --- RocksDB -------------------------------------------------------------------------------------

Result<void> Store::Impl::open_rocks(bool is_new) {
    CASC_TRY_VOID(disk_.make_directories(paths_.rocks));
    CASC_TRY_VOID(disk_.make_directories(paths_.ingest));
    std::vector<Rocks::Opened> opened;
    CASC_TRY(rocks_, Rocks::open(disk_, paths_.rocks, options_.block_cache_bytes,
                                 is_new ? Rocks::Mode::create : Rocks::Mode::existing, opened));
    CASC_TRY(slices_, SliceSet::adopt(*rocks_, std::move(opened)));
    CASC_TRY_VOID(clear_ingest_folder());
    CASC_TRY(const auto applied, load_applied());
    for (const SliceRef& slice : applied.ahead)
        CASC_TRY_VOID(repair_directory(slice));
    checkpointer_ = std::make_unique<Checkpointer>(
        *rocks_, *slices_, paths_.ingest, options_.slice_bytes, flushed_through_, applied.by_class);
    return {};
}

// What a checkpoint had built and not linked yet when it was killed; the journal has it all.
Result<void> Store::Impl::clear_ingest_folder() {
    std::vector<std::string> names;
    CASC_TRY_ROCKS(rocks_->env()->GetChildren(paths_.ingest.string(), &names),
                   "listing the ingest folder");
    for (const auto& name : names) {
        if (name == "." || name == "..") continue;
        CASC_TRY_ROCKS(rocks_->env()->DeleteFile((paths_.ingest / name).string()),
                       "clearing the ingest folder");
    }
    return {};
}

namespace {
Result<JournalSequence> sequence_row(const std::optional<std::string>& value, const char* what) {
    if (!value) return JournalSequence();
    const auto number = row_from<std::uint64_t>(*value);
    if (!number) return Error(ErrorCode::data_corrupt, std::string("the row of ") + what);
    return JournalSequence(*number);
}
}  // namespace

Result<Store::Impl::Applied> Store::Impl::load_applied() {
    CASC_TRY(const auto stored, rocks_->get(meta_key(kAppliedKey)));
    CASC_TRY(flushed_through_, sequence_row(stored, "the applied sequence"));
    Applied applied;
    applied.by_class.fill(flushed_through_);
    // The newest slice of a class that has anything says how far the class is; one made just before
    // a crash may be empty. Older ones are not looked at, so that damage in them does not keep the
    // store from starting.
    std::array<bool, kRetentionClassCount> known{};
    const auto slices = slices_->all();
    for (auto at = slices.rbegin(); at != slices.rend(); ++at) {
        const SliceRef& slice = *at;
        const auto index = static_cast<std::size_t>(slice->id.retention);
        if (known[index]) continue;
        std::string value;
        const auto status =
            rocks_->db().Get(Rocks::read_options(), slice->handle, slice_applied_key(), &value);
        if (status.IsNotFound()) continue;
        CASC_TRY_ROCKS(status,
                       "reading the applied sequence of a slice, in one of " + slice->file_names());
        CASC_TRY(const auto sequence, sequence_row(value, "the applied sequence of a slice"));
        known[index] = true;
        if (sequence <= applied.by_class[index]) continue;
        applied.by_class[index] = sequence;
        applied.ahead.push_back(slice);
    }
    return applied;
}

// The crash came between linking the SST files and writing the state. The events are there, the
// directory rows of the state column family are not, but each SST file has those that it changed.
Result<void> Store::Impl::repair_directory(const SliceRef& slice) {
    rocksdb::WriteBatch rows;
    CASC_TRY_VOID(read_directory(slice, rows));
    CASC_TRY_ROCKS(rocks_->db().Write(Rocks::write_options(), &rows),
                   "repairing the slice directory");
    return rocks_->flush_state();
}

Result<void> Store::Impl::read_directory(const SliceRef& slice, rocksdb::WriteBatch& rows) {
    const std::string end = first_batch_key();
    const rocksdb::Slice upper(end);
    auto options = Rocks::read_options();
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> at(rocks_->db().NewIterator(options, slice->handle));
    for (at->Seek(batch_key(0, 1)); at->Valid(); at->Next()) {
        const LogId log(read_big_endian(text_of(at->key()), 8));
        rows.Put(rocks_->state(), directory_key(log, slice->id), at->value());
    }
    CASC_TRY_ROCKS(at->status(),
                   "reading the directory of a slice, in one of " + slice->file_names());
    return {};
}

Result<void> Store::Impl::load_logs() {
    const std::string prefix(1, static_cast<char>(OwnTable::log));
    auto options = Rocks::read_options();
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> rows(
        rocks_->db().NewIterator(options, rocks_->state()));
    for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
        const auto row = row_from<LogRow>(text_of(rows->value()));
        if (!row || rows->key().size() != 9)
            return Error(ErrorCode::data_corrupt, "the row of a log");
        logs_.set(LogId(read_big_endian(text_of(rows->key()), 1)), *row);
    }
    CASC_TRY_ROCKS(rows->status(), "reading the logs");
    return {};
}

// --- the journal ---------------------------------------------------------------------------------

// A restored backup may come without journal.
Result<void> Store::Impl::examine_journal() {
    RecoveryReport found;
    const auto names = disk_.list(paths_.journal);
    if (names && !names->empty())
        CASC_TRY_VOID(Journal::examine(disk_, paths_.journal, check_entry_body, found));
    if (found.entries == 0 && (restored_ || flushed_through_ == JournalSequence())) return {};
    if (found.entries > 0 && found.first <= flushed_through_.next() &&
        found.last >= flushed_through_)
        return {};
    return Error(
        ErrorCode::data_missing,
        "the journal in '" + paths_.journal.string() +
            "' does not continue where RocksDB ends (entry " +
            std::to_string(flushed_through_.value()) +
            "): segments are missing or damaged where they begin, or RocksDB's MANIFEST has lost "
            "what it knew; restore them");
}

Result<void> Store::Impl::replay() {
    JournalOptions options = options_.journal;
    options.directory = paths_.journal;
    options.continue_after = flushed_through_;
    RecoveryReport report;
    const auto visit = [&](const RecoveredEntry& entry) -> Result<void> {
        if (entry.sequence <= flushed_through_ || entry.record_count == 0) return {};
        return replay_entry(entry);
    };
    CASC_TRY(journal_, Journal::open(disk_, options, check_entry_body, visit, report));
    durable_ = journal_->durable_through();
    stats_.torn_entries = report.torn_entries;
    return {};
}

Result<void> Store::Impl::replay_entry(const RecoveredEntry& recovered) {
    const std::size_t bytes = recovered.body.size();
    Entry entry;
    entry.sequence = recovered.sequence;
    entry.block = entry_pools_.take(kEntryHeaderBytes + bytes);
    entry.body_bytes = bytes;
    entry.record_count = recovered.record_count;
    std::memcpy(entry.block.bytes().data() + kEntryHeaderBytes, recovered.body.data(), bytes);
    tail_.begin_entry(entry.sequence, entry.block);

    boost::unordered_flat_map<LogId, LogChange, std::hash<LogId>> changes;
    RecordCursor cursor(entry.body());
    Record record;
    while (cursor.next(record)) {
        if (record.header.kind == RecordKind::put || record.header.kind == RecordKind::erase)
            continue;
        const LogId log = record.log();
        LogRow row = logs_.row(log);
        LogChange& change =
            changes.try_emplace(log, LogChange{.log = log, .row = {}}).first->second;
        change.erased = record.header.kind == RecordKind::erase_log;
        if (change.erased) {
            logs_.erase(log);
            tail_.forget(log);
            continue;
        }
        if (record.header.kind == RecordKind::batch) {
            const auto stamp = peek_stamp(record.value);
            const std::uint32_t events = peek_header(record.value).event_count;
            row.append(stamp.base_offset, events, record.value.size(), stamp.append_time,
                       static_cast<RetentionClass>(record.header.table));
            tail_.add(log, stamp.base_offset, events, record.value);
        } else if (record.header.kind == RecordKind::trim) {
            row.trim(record.number());
        } else {
            row.ceiling = std::max(row.ceiling, record.number());
        }
        logs_.set(log, row);
    }
    for (auto& [log, change] : changes) {
        if (!change.erased) change.row = logs_.row(log);
        entry.changes.push_back(change);
    }
    checkpointer_->add(std::move(entry));
    ++stats_.replayed_entries;
    if (checkpointer_->pending_bytes() < options_.unflushed_bytes_max) return {};
    CASC_TRY_VOID(checkpointer_->checkpoint(wall_now()));
    tail_.evict(options_.tail_cache_bytes, checkpointer_->applied());
    return {};
}

// Offsets that were given out before a crash and not stored are never given out again: the log goes
// on above what it had reserved, in a new epoch. After an orderly shutdown nothing was lost and the
// reservations are void.
Result<void> Store::Impl::continue_logs() {
    CASC_TRY(const auto stored, rocks_->get(meta_key(kCleanKey)));
    CASC_TRY(const auto clean_at, sequence_row(stored, "the clean shutdown"));
    const bool clean =
        stored.has_value() && clean_at == flushed_through_ && stats_.replayed_entries == 0;
    std::vector<std::pair<LogId, LogRow>> reserved;
    logs_.for_each_ceiling([&](LogId log) { reserved.emplace_back(log, logs_.row(log)); });
    for (auto& [log, row] : reserved) {
        if (!clean) {
            row.end = std::max(row.end, row.ceiling);
            ++row.epoch;
        }
        row.ceiling = 0;
        logs_.set(log, row);
        checkpointer_->set_log(log, row);
    }
    // So that what was replayed is behind us, and a second crash finds the new epochs.
    CASC_TRY_VOID(checkpointer_->checkpoint(wall_now()));
    if (stored) CASC_TRY_VOID(checkpointer_->mark_clean(false));
    flushed_through_ = checkpointer_->applied();
    if (flushed_through_ <= journal_->durable_through())
        journal_->recycle_through(flushed_through_);
    tail_.evict(options_.tail_cache_bytes, flushed_through_);
    if (restored_) CASC_TRY_VOID(disk_.replace_file(paths_.format, StoreFormat{}.text()));
    return {};
}

void Store::Impl::start_threads() {
    reclaimer_ = std::make_unique<Reclaimer>(*rocks_, *slices_, options_.rewrite_after);
    rewriter_ = std::make_unique<LogRewriter>(*rocks_, *slices_, *checkpointer_, *reclaimer_,
                                              paths_.ingest);
    checkpoint_thread_ =
        std::make_unique<CheckpointThread>(*checkpointer_, *rocks_, *reclaimer_, *rewriter_,
                                           entry_pools_, options_.checkpoint_bytes, waker_);
    reader_thread_ = std::make_unique<ReaderThread>(*rocks_, *slices_, answer_pools_, waker_);
}

}  // namespace casc::storage
