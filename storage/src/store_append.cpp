// storage/src/store_append.cpp: the way of a batch or a state change into a journal entry.

#include "store_impl.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/clock.hpp>
#include <casc/types/fail_point.hpp>

#include <algorithm>

namespace casc::storage {

namespace {
// Free space is asked for again after this much has been appended; the reserve is much larger.
constexpr std::size_t kSpaceCheckBytes = 16_MiB;
// Rows are small and often tell of work done (positions, leases): they are refused later than
// batches.
constexpr std::size_t kRowHeadroomBytes = 32_MiB;
// So many finished entries waiting for a write slot mean that the disk is the slower side.
constexpr std::size_t kSealedMax = 8;
constexpr std::size_t kWorthAWriteBytes = 256_KiB;
}  // namespace

Store::Impl::Impl(Disk& disk, const StoreOptions& options)
    : disk_(disk),
      options_(options),
      paths_(options.directory),
      // What one checkpoint lets go comes back at once and is wanted again at once.
      entry_pools_(align_up(options.entry_bytes_max, kBlockAlignment),
                   2 * options.checkpoint_bytes),
      answer_pools_(1_MiB, 32_MiB) {}

// --- what may be added ---------------------------------------------------------------------------

Result<void> Store::Impl::accept(std::size_t bytes_limit) const {
    if (failure_) return Error(ErrorCode::storage_failed, failure_->detail);
    if (disk_full_) return ErrorCode::disk_full;
    if (unflushed_bytes_ >= bytes_limit) return ErrorCode::overloaded;
    return {};
}

Result<void> Store::Impl::accepts() {
    if (disk_full_) check_space();
    return accept(options_.unflushed_bytes_max);
}

Result<void> Store::Impl::accept_batch(std::size_t bytes) {
    if (disk_full_ || bytes_to_space_check_ < bytes) check_space();
    return accept(options_.unflushed_bytes_max);
}

Result<void> Store::Impl::accept_rows() {
    if (disk_full_) check_space();
    return accept(options_.unflushed_bytes_max + kRowHeadroomBytes);
}

// Not when the disk is full: that may last, so producers are told (and ask again) instead of being
// left unread, and it is their asking that finds out when there is room again.
bool Store::Impl::congested() const noexcept {
    return is_full() || admits_at().has_value();
}

std::optional<MonoNanos> Store::Impl::admits_at() const noexcept {
    if (is_full()) return std::nullopt;
    // What fits into the open block takes no more room; unless the journal is behind, and it is
    // about to become one of many.
    if (builder_.started() && sealed_.empty()) return std::nullopt;
    const MonoNanos at = pace_.admits_at();
    return at > mono_now() ? std::optional(at) : std::nullopt;
}

bool Store::Impl::is_full() const noexcept {
    return failure_ || sealed_.size() >= kSealedMax || unflushed_bytes_ >= unflushed_limit();
}

void Store::Impl::check_space() {
    bytes_to_space_check_ = kSpaceCheckBytes;
    const auto free = disk_.free_bytes(paths_.root);
    if (!free) return;  // an error here says nothing about the disk being full
    disk_free_bytes_ = *free;
    disk_full_ = disk_free_bytes_ < options_.reserve_bytes + unflushed_bytes_;
}

// --- the entry being filled ----------------------------------------------------------------------

JournalSequence Store::Impl::filling() const noexcept {
    return journal_->next_sequence() + JournalSequence::distance(sealed_.size());
}

void Store::Impl::open_entry(std::size_t bytes) {
    const std::size_t expected =
        std::min(kEntryHeaderBytes + expected_entry_bytes_, options_.entry_bytes_max);
    BlockRef block = entry_pools_.take(std::max(kEntryHeaderBytes + bytes, expected));
    const std::size_t memory_bytes = block.bytes().size();
    const JournalSequence sequence = filling();
    unflushed_.emplace_back(sequence, memory_bytes);
    unflushed_bytes_ += memory_bytes;
    pace_.admitted(memory_bytes, unflushed_bytes_, mono_now());
    tail_.begin_entry(sequence, block);
    tail_.evict(options_.tail_cache_bytes, flushed_through_);
    builder_.start(sequence, std::move(block));
}

Result<void> Store::Impl::make_room(std::size_t bytes, Urgency urgency) {
    if (bytes > journal_->body_bytes_max())
        return Error(ErrorCode::event_too_large,
                     "a journal entry cannot hold " + std::to_string(bytes) + " bytes");
    const bool fits = builder_.started() && builder_.has_room(bytes) &&
                      builder_.body_bytes() + bytes <= journal_->body_bytes_max();
    if (builder_.started() && !fits) {
        seal();
        expected_entry_bytes_ =
            options_.entry_bytes_max;  // entries are growing: the next block is a full one
    }
    if (!builder_.started()) {
        open_entry(bytes);
        due_ = mono_now() + kSoon;
    }
    if (urgency == Urgency::now) due_ = MonoNanos{};
    return {};
}

void Store::Impl::seal() {
    sealed_.push_back(finish_entry());
}

Entry Store::Impl::finish_entry() {
    // Half more than it was: a steady load keeps its block size, a rising one gets there in a few
    // entries.
    expected_entry_bytes_ = builder_.body_bytes() + builder_.body_bytes() / 2;
    for (LogChange& change : builder_.changes()) {
        if (!change.erased) change.row = logs_.row(change.log);
    }
    return builder_.finish();
}

Result<void> Store::Impl::keep_together(std::size_t batch_bytes, std::size_t row_bytes) {
    CASC_TRY_VOID(batch_bytes != 0 ? accept_batch(batch_bytes) : accept_rows());
    CASC_TRY_VOID(make_room(batch_bytes + row_bytes, Urgency::soon));
    promised_bytes_ = batch_bytes + row_bytes;
    promised_in_ = builder_.sequence();
    return {};
}

bool Store::Impl::take_promised(std::size_t bytes) noexcept {
    if (promised_bytes_ < bytes || !builder_.started() || builder_.sequence() != promised_in_)
        return false;
    promised_bytes_ -= bytes;
    return true;
}

LogChange& Store::Impl::touch(LogId log) {
    const auto [at, is_new] = active_.try_emplace(log);
    if (is_new) at->second.durable_end = logs_.row(log).end;
    ActiveLog& active = at->second;
    auto& changes = builder_.changes();
    if (active.touched != builder_.sequence()) {
        active.touched = builder_.sequence();
        active.change = changes.size();
        changes.push_back(LogChange{.log = log, .row = {}});
    }
    return changes[active.change];
}

// --- adding --------------------------------------------------------------------------------------

Result<AppendTicket> Store::Impl::append(LogId log, RetentionClass retention,
                                         std::span<const std::byte> batch, EpochNanos now,
                                         Urgency urgency) {
    CASC_ASSERT(batch.size() >= wire::kBatchOverheadBytes && batch.size() % kRecordAlignment == 0,
                batch.size());
    CASC_ASSERT(log.value() != 0);  // its keys are the slices' own
    if (!take_promised(record_bytes(0, batch.size()))) CASC_TRY_VOID(accept_batch(batch.size()));
    CASC_TRY_VOID(make_room(record_bytes(0, batch.size()), urgency));
    CASC_FAIL_POINT("store.append");

    LogChange& change = touch(log);
    change.appended = true;
    change.erased = false;
    LogRow row = logs_.row(log);
    const Offset base(row.end);
    // Never backwards, so that a log can be searched by time.
    const EpochNanos time(std::max(now.value(), row.last_append));
    // Rises with every append of this shard, over restarts too, and needs no state of its own. An
    // entry has fewer than 2^20 records, because a record has 16 bytes at least and an entry 16 MiB
    // at most by the limit of a batch.
    const std::uint64_t arrival = builder_.sequence().value() << 20 | builder_.record_count();
    const auto stored = builder_.add_batch(log, retention, batch, base, time, arrival, row.epoch);
    const std::uint32_t events = peek_header(stored).event_count;
    tail_.add(log, base.value(), events, stored);
    row.append(base.value(), events, batch.size(), time.value(), retention);
    logs_.set(log, row);

    stats_.batch_bytes += batch.size();
    bytes_to_space_check_ -= std::min(bytes_to_space_check_, batch.size());
    return AppendTicket{base, builder_.sequence(), arrival};
}

Result<JournalSequence> Store::Impl::add_row(RecordKind kind, StateTable table,
                                             std::string_view key, std::string_view value,
                                             Urgency urgency) {
    if (key.size() > kStateKeyBytesMax)
        return Error(ErrorCode::invalid_request, "a state key is too long");
    if (!take_promised(record_bytes(key.size(), value.size()))) CASC_TRY_VOID(accept_rows());
    CASC_TRY_VOID(make_room(record_bytes(key.size(), value.size()), urgency));
    builder_.add(kind, static_cast<std::uint8_t>(table), LogId{}, key, value);
    return builder_.sequence();
}

// These make room on the disk, or must not fail for the lack of it.
Result<JournalSequence> Store::Impl::change_log(RecordKind kind, LogId log, const LogRow& row,
                                                std::uint64_t number) {
    if (failure_) return Error(ErrorCode::storage_failed, failure_->detail);
    const bool erased = kind == RecordKind::erase_log;
    const std::string_view value = erased ? std::string_view{} : row_bytes(number);
    CASC_TRY_VOID(make_room(record_bytes(0, value.size()), Urgency::now));
    LogChange& change = touch(log);
    change.erased = erased;
    builder_.add(kind, 0, log, {}, value);
    if (erased) {
        logs_.erase(log);
        tail_.forget(log);
    } else {
        logs_.set(log, row);
    }
    return builder_.sequence();
}

// What a change that changes nothing becomes durable with: whatever made it so.
JournalSequence Store::Impl::last_change(LogId log) const {
    const auto at = active_.find(log);
    return at == active_.end() ? durable_ : at->second.touched;
}

Result<JournalSequence> Store::Impl::trim(LogId log, Offset start) {
    if (logs_.find(log) == nullptr) return last_change(log);
    LogRow row = logs_.row(log);
    if (start.value() <= row.start) return last_change(log);
    row.trim(start.value());
    return change_log(RecordKind::trim, log, row, row.start);
}

Result<JournalSequence> Store::Impl::erase_log(LogId log) {
    if (logs_.find(log) == nullptr) return last_change(log);
    return change_log(RecordKind::erase_log, log, {}, 0);
}

Result<JournalSequence> Store::Impl::reserve(LogId log, Offset ceiling) {
    LogRow row = logs_.row(log);
    row.ceiling = std::max(row.ceiling, ceiling.value());
    return change_log(RecordKind::reserve, log, row, row.ceiling);
}

// --- to the journal ------------------------------------------------------------------------------

void Store::Impl::submit(MonoNanos until) {
    if (failure_) return;
    while (!sealed_.empty() && journal_->can_submit(sealed_.front().body_bytes)) {
        Entry entry = std::move(sealed_.front());
        sealed_.pop_front();
        write(std::move(entry));
    }
    if (!sealed_.empty() || !builder_.started() || builder_.empty()) return;
    if (due() <= until && journal_->can_submit(builder_.body_bytes())) write(finish_entry());
}

// Of the entry being filled. A large one is due at once, though nobody waits for it: time would not
// make its write any cheaper by the byte.
MonoNanos Store::Impl::due() const noexcept {
    constexpr MonoNanos kAtOnce(1);
    return builder_.body_bytes() >= kWorthAWriteBytes ? std::min(due_, kAtOnce) : due_;
}

void Store::Impl::hurry(JournalSequence sequence) {
    if (builder_.started() && sequence >= builder_.sequence()) due_ = MonoNanos{};
}

std::optional<MonoNanos> Store::Impl::submit_due() const noexcept {
    if (failure_ || !builder_.started() || builder_.empty() || due_ == MonoNanos{}) return {};
    // Behind others, or without a write slot: a completion is what it waits for.
    if (!sealed_.empty() || !journal_->can_submit(builder_.body_bytes())) return {};
    return due();
}

void Store::Impl::write(Entry entry) {
    const JournalSequence sequence =
        journal_->submit(entry.block, entry.body_bytes, entry.body_crc, entry.record_count);
    CASC_ASSERT(sequence == entry.sequence, sequence.value(), entry.sequence.value());
    ++stats_.entries;
    stats_.journal_bytes += align_up(kEntryHeaderBytes + entry.body_bytes, kBlockAlignment);
    in_flight_.push_back(std::move(entry));
}

}  // namespace casc::storage
