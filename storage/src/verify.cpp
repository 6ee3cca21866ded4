// storage/src/verify.cpp: reads everything that a store has and compares every checksum. Changes
// nothing.

#include "entry_records.hpp"
#include "slice_directory.hpp"
#include "store_format.hpp"

#include <casc/storage/store.hpp>

#include <algorithm>

namespace casc::storage {

namespace {

using Progress = std::function<void(std::uint64_t done, std::uint64_t all)>;

// Thread: one at a time.
class Verifier {
public:
    Verifier(Disk& disk, const std::filesystem::path& directory, const Progress& progress)
        : disk_(disk), directory_(directory), progress_(progress) {}

    Result<VerifyReport> run() {
        CASC_TRY(const auto format, StoreFormat::read(disk_, directory_ / "FORMAT"));
        check_database();
        if (!format.restored) check_journal();
        return std::move(report_);
    }

private:
    void check_database();
    void check_state();
    void check_slice(const SliceRef& slice);
    void check_batch(const std::string& place, std::uint64_t log, std::uint64_t base,
                     std::span<const std::byte> bytes);
    void check_journal();
    void found(std::string damage) { report_.damage.push_back(std::move(damage)); }
    void found(const Error& error) { found(error.message()); }

    Disk& disk_;
    const std::filesystem::path directory_;
    const Progress& progress_;
    VerifyReport report_;
    std::unique_ptr<Rocks> rocks_;
    std::unique_ptr<SliceSet> slices_;
    JournalSequence applied_;
    std::uint64_t bytes_all_ = 0;
    std::uint64_t bytes_done_ = 0;
    std::uint64_t bytes_told_ = 0;
};

void Verifier::check_database() {
    std::vector<Rocks::Opened> opened;
    auto rocks = Rocks::open(disk_, directory_ / "rocks", 8_MiB, Rocks::Mode::read_only, opened);
    if (!rocks) return found(rocks.error());
    rocks_ = std::move(*rocks);
    auto slices = SliceSet::adopt(*rocks_, std::move(opened));
    if (!slices) return found(slices.error());
    slices_ = std::move(*slices);
    for (const SliceRef& slice : slices_->all())
        bytes_all_ += slice->file_bytes();
    check_state();
    for (const SliceRef& slice : slices_->all())
        check_slice(slice);
    if (progress_) progress_(bytes_all_, bytes_all_);
}

void Verifier::check_state() {
    auto options = Rocks::read_options();
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> rows(
        rocks_->db().NewIterator(options, rocks_->state()));
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
        const auto key = text_of(rows->key());
        if (key.empty()) continue;
        const auto table = static_cast<OwnTable>(key[0]);
        const auto value = text_of(rows->value());
        if (table == OwnTable::log) {
            ++report_.logs;
            if (!row_from<LogRow>(value) || key.size() != 9)
                found("state: a log row has a wrong length");
        } else if (table == OwnTable::directory) {
            if (!row_from<DirectoryRow>(value) || key.size() != kDirectoryKeyBytes) {
                found("state: a directory row has a wrong length");
            } else if (slices_->find(slice_of_directory_key(key)) == nullptr) {
                found("state: log " + std::to_string(read_big_endian(key, 1)) +
                      " has events in a slice that is missing");
            }
        } else if (key == meta_key(kAppliedKey)) {
            applied_ = JournalSequence(row_from<std::uint64_t>(value).value_or(0));
        }
    }
    if (!rows->status().ok()) found(rocks_error(rows->status(), "reading state"));
}

void Verifier::check_slice(const SliceRef& slice) {
    const std::string place = "slice " + std::to_string(static_cast<int>(slice->id.retention)) +
                              "/" + std::to_string(slice->id.number);
    auto options = Rocks::read_options();
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> rows(rocks_->db().NewIterator(options, slice->handle));
    std::uint64_t log = 0;
    std::uint64_t end = 0;
    for (rows->Seek(first_batch_key()); rows->Valid(); rows->Next()) {
        const auto key = text_of(rows->key());
        const auto value = bytes_of(rows->value());
        if (key.size() != 16) {
            found(place + ": a key has a wrong length");
            continue;
        }
        const std::uint64_t row_log = read_big_endian(key, 0);
        const std::uint64_t base = read_big_endian(key, 8);
        if (row_log == log && base < end)
            found(place + ": offsets of log " + std::to_string(log) + " overlap");
        check_batch(place, row_log, base, value);
        log = row_log;
        end =
            base + (value.size() < wire::kBatchOverheadBytes ? 0 : peek_header(value).event_count);
        bytes_done_ += value.size();
        if (progress_ && bytes_done_ - bytes_told_ > 64_MiB)
            progress_(bytes_told_ = bytes_done_, bytes_all_);
    }
    if (!rows->status().ok())
        found(place + ": " + rocks_error(rows->status(), "reading").message());
}

void Verifier::check_batch(const std::string& place, std::uint64_t log, std::uint64_t base,
                           std::span<const std::byte> bytes) {
    ++report_.batches;
    report_.bytes += bytes.size();
    const auto where = [&] {
        return place + ": the batch at offset " + std::to_string(base) + " of log " +
               std::to_string(log);
    };
    if (!stamp_matches(bytes, base)) return found(where() + " does not match its stamp");
    const auto batch = wire::BatchView::parse(bytes);
    if (!batch) return found(where() + ": " + batch.error().message());
    if (!batch->verify_body()) return found(where() + " does not match its checksum");
    report_.events += batch->event_count();
}

void Verifier::check_journal() {
    RecoveryReport journal;
    const auto visit = [&](const RecoveredEntry& entry) -> Result<void> {
        if (entry.sequence <= applied_) return {};
        RecordCursor cursor(entry.body);
        Record record;
        while (cursor.next(record)) {
            if (record.header.kind == RecordKind::batch)
                check_batch("journal", record.header.log, peek_stamp(record.value).base_offset,
                            record.value);
        }
        return {};
    };
    if (auto read =
            Journal::verify(disk_, directory_ / "journal", check_entry_body, visit, journal);
        !read)
        return found(read.error());
    report_.journal_entries = journal.entries;
    report_.torn_entries = journal.torn_entries;
    if (journal.first > applied_.next() || journal.last < applied_)
        found("journal: it does not continue where RocksDB ends, at entry " +
              std::to_string(applied_.value()));
}

}  // namespace

Result<VerifyReport> verify_store(Disk& disk, const std::filesystem::path& directory,
                                  const Progress& progress) {
    return Verifier(disk, directory, progress).run();
}

}  // namespace casc::storage
