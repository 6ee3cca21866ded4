// storage/src/store_lookup.cpp: questions about logs and their events.

#include "store_impl.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>

namespace casc::storage {

void Store::Impl::scan(StateTable table,
                       const std::function<void(std::string_view, std::string_view)>& row) {
    const std::string prefix(1, static_cast<char>(table));
    const std::unique_ptr<rocksdb::Iterator> rows(
        rocks_->db().NewIterator(Rocks::read_options(), rocks_->state()));
    for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next())
        row(text_of(rows->key()).substr(1), text_of(rows->value()));
    if (!rows->status().ok()) fail(rocks_error(rows->status(), "reading state rows"));
}

void Store::Impl::scan_own(OwnTable table,
                           const std::function<void(std::string_view, std::string_view)>& row) {
    scan(static_cast<StateTable>(table), row);
}

void Store::Impl::scan_keys(
    const std::function<void(LogId, std::string_view, const KeyState&)>& visit) {
    scan_own(OwnTable::key, [&](std::string_view key, std::string_view value) {
        const auto row = row_from<KeyRow>(value);
        if (!row || key.size() < 8) return fail(Error(ErrorCode::data_corrupt, "the row of a key"));
        visit(LogId(read_big_endian(key, 0)), key.substr(8),
              {.offset = Offset(row->offset),
               .append_time = EpochNanos(row->append_time),
               .value_bytes = row->value_bytes,
               .is_tombstone = row->is_tombstone != 0});
    });
}

void Store::Impl::scan_compacted(const std::function<void(LogId, const CompactedState&)>& visit) {
    scan_own(OwnTable::compacted, [&](std::string_view key, std::string_view value) {
        const auto row = row_from<CompactedRow>(value);
        if (!row || key.size() != 8)
            return fail(Error(ErrorCode::data_corrupt, "the compaction row of a log"));
        visit(LogId(read_big_endian(key, 0)), {Offset(row->complete_from), row->events});
    });
}

// --- logs ----------------------------------------------------------------------------------------

namespace {
LogState state_of(const LogIndex::Slot& slot, std::uint64_t durable_end) {
    return {.start = Offset(slot.start),
            .end = Offset(slot.end),
            .durable_end = Offset(durable_end),
            .bytes = slot.bytes,
            .last_append = EpochNanos(slot.last_append),
            .epoch = slot.epoch};
}
}  // namespace

std::optional<LogState> Store::Impl::log_state(LogId log) const {
    const LogIndex::Slot* const slot = logs_.find(log);
    if (slot == nullptr) return std::nullopt;
    const auto active = active_.find(log);
    return state_of(*slot, active == active_.end() ? slot->end : active->second.durable_end);
}

void Store::Impl::for_each_log(LogId first, LogId last,
                               const std::function<void(LogId, const LogState&)>& visit) const {
    logs_.for_each(first, last, [&](const LogIndex::Slot& slot) {
        const LogId log(slot.log);
        const auto active = active_.find(log);
        visit(log, state_of(slot, active == active_.end() ? slot.end : active->second.durable_end));
    });
}

bool Store::Impl::read_tail(LogId log, Offset from, Offset until, std::size_t bytes_max,
                            std::vector<BatchRef>& into) {
    if (tail_.read(log, from.value(), until.value(), bytes_max, into)) return true;
    const LogIndex::Slot* const slot = logs_.find(log);
    return slot == nullptr ||
           from.value() >= slot->end;  // nothing there, and nothing anywhere else
}

// --- by time -------------------------------------------------------------------------------------

namespace {

// The first batch of `part` appended at or after `time`. Append times never go back within a log.
Result<std::optional<TimeLookup>> find_time_in(SliceCursor& cursor, const DirectoryRow& row,
                                               EpochNanos time) {
    std::optional<TimeLookup> found;
    for (std::uint64_t low = row.first, high = row.end; low < high;) {
        const std::uint64_t middle = low + (high - low) / 2;
        cursor.seek(middle);
        if (!cursor.valid()) {
            CASC_TRY_VOID(cursor.status());
            high = middle;
            continue;
        }
        CASC_TRY(const auto batch, cursor.batch());
        const auto stamp = peek_stamp(batch);
        if (stamp.append_time < time.value()) {
            low = stamp.base_offset + peek_header(batch).event_count;
        } else {
            found = TimeLookup{Offset(stamp.base_offset), EpochNanos(stamp.append_time)};
            high = std::min(middle, stamp.base_offset);
        }
    }
    return found;
}

}  // namespace

Result<TimeLookup> Store::Impl::find_time(LogId log, EpochNanos time) {
    const LogRow row = logs_.row(log);
    const TimeLookup none{Offset(row.end), EpochNanos(row.last_append)};
    if (row.end == 0 || row.last_append < time.value()) return none;
    const auto cached_from = tail_.front_time(log);
    if (!cached_from || *cached_from >= time) {
        CASC_TRY(const auto parts, slices_of_log(*rocks_, log));
        for (const SlicePart& part : parts) {
            if (part.row.last_time < time.value() || part.row.end <= row.start) continue;
            // Known without reading an event; and what retention mostly hears: nothing is due.
            if (part.row.first_time >= time.value())
                return TimeLookup{Offset(std::max(part.row.first, row.start)),
                                  EpochNanos(part.row.first_time)};
            SliceRef slice = slices_->find(part.slice);
            if (slice == nullptr) continue;
            SliceCursor cursor(*rocks_, std::move(slice), log, SliceCursor::Purpose::look_up);
            CASC_TRY(auto found, find_time_in(cursor, part.row, time));
            if (!found) continue;
            found->offset = std::max(found->offset, Offset(row.start));
            return *found;
        }
    }
    auto cached = tail_.find_time(log, time);
    if (!cached) return none;
    cached->offset = std::max(cached->offset, Offset(row.start));
    return *cached;
}

// --- by size -------------------------------------------------------------------------------------

namespace {

// Bytes of the files between two offsets, by their indexes: exact to a block, and without reading
// data.
Result<std::uint64_t> stored_bytes(const Rocks& rocks, const Slice& slice, LogId log,
                                   std::uint64_t from, std::uint64_t to) {
    const std::string first = batch_key(log.value(), from);
    const std::string last = batch_key(log.value(), to);
    const rocksdb::Range range(first, last);
    rocksdb::SizeApproximationOptions options;
    options.include_files = true;
    std::uint64_t bytes = 0;
    CASC_TRY_ROCKS(rocks.db().GetApproximateSizes(options, slice.handle, &range, 1, &bytes),
                   "measuring a slice");
    return bytes;
}

// The first offset of a batch such that at most `bytes` lie between it and `end`.
Result<std::uint64_t> start_in_slice(const Rocks& rocks, const SliceRef& slice, LogId log,
                                     std::uint64_t first, std::uint64_t end, std::uint64_t bytes) {
    std::uint64_t low = first;
    std::uint64_t high = end;
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        CASC_TRY(const auto kept, stored_bytes(rocks, *slice, log, middle, end));
        if (kept > bytes) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    SliceCursor cursor(rocks, slice, log, SliceCursor::Purpose::look_up);
    cursor.seek(low);
    if (cursor.valid() && cursor.base() < low) cursor.next();
    CASC_TRY_VOID(cursor.status());
    return cursor.valid() ? std::min(cursor.base(), end) : end;
}

}  // namespace

Result<Offset> Store::Impl::start_for_bytes(LogId log, std::uint64_t bytes) {
    const LogRow row = logs_.row(log);
    const auto at_least = [&](std::uint64_t start) { return Offset(std::max(start, row.start)); };
    std::uint64_t end = row.end;
    std::uint64_t left = bytes;
    if (const auto cached = tail_.newest(log, bytes)) {
        if (!cached->all) return at_least(cached->start);
        end = cached->start;
        left -= cached->bytes;
    }
    CASC_TRY(const auto parts, slices_of_log(*rocks_, log));
    for (auto part = parts.rbegin(); part != parts.rend() && end > row.start; ++part) {
        if (part->row.first >= end) continue;
        const SliceRef slice = slices_->find(part->slice);
        if (slice == nullptr) break;
        std::uint64_t in_part = part->row.bytes;
        if (part->row.end > end) {
            CASC_TRY(in_part, stored_bytes(*rocks_, *slice, log, part->row.first, end));
        }
        if (in_part > left) {
            CASC_TRY(const auto start,
                     start_in_slice(*rocks_, slice, log, part->row.first, end, left));
            return at_least(start);
        }
        left -= in_part;
        end = part->row.first;
    }
    return Offset(row.start);
}

Store::Stats Store::Impl::stats() const {
    Stats stats = stats_;
    stats.journal = journal_->usage();
    const auto& counters = checkpoint_thread_->counters();
    stats.checkpoint_bytes = counters.sst_bytes_written.load(std::memory_order_relaxed);
    stats.checkpoints = counters.checkpoints.load(std::memory_order_relaxed);
    stats.unflushed_bytes = unflushed_bytes_;
    stats.tail_cache_bytes = tail_.bytes();
    for (const SliceRef& slice : slices_->all()) {
        ++stats.slices;
        stats.sst_bytes += slice->file_bytes();
    }
    stats.logs = logs_.size();
    stats.disk_free_bytes = disk_free_bytes_;
    return stats;
}

}  // namespace casc::storage
