#include "log_rewriter.hpp"

#include "entry_records.hpp"

#include <casc/types/fail_point.hpp>

#include <algorithm>

namespace casc::storage {

namespace {

// Read in one call, and held in memory of what it leads to. A key costs a look-up of some
// microseconds, so that a call takes tens of milliseconds.
constexpr std::size_t kStepBytes = 4_MiB;
constexpr std::uint64_t kStepEvents = 32'768;

// Uncompressed, a run of events may be larger than a batch can be: then it becomes several.
constexpr std::size_t kRunBytesMax = 4_MiB;

std::uint32_t fitting_end(const wire::BatchView& batch, wire::SliceRange run) {
    while (run.end - run.first > 1 && wire::slice_bytes(batch, run) > kRunBytesMax)
        run.end = run.first + (run.end - run.first) / 2;
    return run.end;
}

// Not of the storage that it lies in.
bool is_of_the_batch(ErrorCode code) {
    return code == ErrorCode::batch_malformed || code == ErrorCode::batch_corrupt ||
           code == ErrorCode::data_corrupt || code == ErrorCode::event_too_large;
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Fate fate_of(std::uint64_t offset, std::int64_t append_time, const std::optional<KeyRow>& key,
             const RewriteRequest& request) {
    // It is older than the tombstone that has taken the row along.
    if (!key) return Fate::replaced;
    if (append_time >= request.replaced_before.value()) return Fate::stays;
    if (key->offset > offset) return Fate::replaced;
    const bool is_spent = key->offset == offset && key->is_tombstone != 0 &&
                          append_time < request.tombstones_before.value();
    return is_spent ? Fate::forgotten_tombstone : Fate::stays;
}

Result<Rewritten> LogRewriter::run(const RewriteRequest& request) {
    const std::uint64_t until = request.until.value();
    CASC_TRY(const auto parts, slices_of_log(rocks_, request.log));
    const auto part = std::find_if(parts.begin(), parts.end(), [&](const SlicePart& one) {
        return one.row.end > request.from.value();
    });
    if (part == parts.end() || part->row.first >= until) return Rewritten{.next = request.until};
    Step step{
        .changes = {}, .forgotten = {}, .next = std::max(request.from.value(), part->row.first)};
    CASC_TRY_VOID(collect(request, *part, step));
    if (!step.changes.empty()) {
        // The rows first: an event whose key has none is taken out all the same the next time, but
        // a row without an event would stay for ever.
        CASC_TRY_VOID(forget_keys(request.log, step));
        CASC_FAIL_POINT("rewrite.keys_forgotten");
        CASC_TRY_VOID(shadow(request.log, *part, step));
        CASC_FAIL_POINT("rewrite.shadowed");
    }
    if (!request.erased.empty()) reclaimer_.want(part->slice, mono_now());
    return Rewritten{.next = Offset(std::min(step.next, until)),
                     .events = step.events,
                     .bytes = step.bytes_before - std::min(step.bytes_before, step.bytes_after),
                     .complete_from = Offset(step.complete_from)};
}

// ---- choosing -----------------------------------------------------------------------------------

Result<void> LogRewriter::collect(const RewriteRequest& request, const SlicePart& part,
                                  Step& step) {
    const SliceRef slice = slices_.find(part.slice);
    const std::uint64_t until = request.until.value();
    std::size_t bytes = 0;
    std::uint64_t events = 0;
    if (slice != nullptr) {
        SliceCursor cursor(rocks_, slice, request.log, SliceCursor::Purpose::replay);
        cursor.seek(step.next);
        for (; cursor.valid() && cursor.base() < until; cursor.next()) {
            if (bytes >= kStepBytes || events >= kStepEvents) return {};
            CASC_TRY(const auto batch, cursor.batch());
            CASC_TRY_VOID(examine(request, batch, step));
            bytes += batch.size();
            events += peek_header(batch).event_count;
            step.next = cursor.base() + peek_header(batch).event_count;
        }
        CASC_TRY_VOID(cursor.status());
    }
    step.next = std::min(part.row.end, until);
    return {};
}

Result<void> LogRewriter::examine(const RewriteRequest& request, std::span<const std::byte> stored,
                                  Step& step) {
    CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(stored));
    const std::size_t forgotten = step.forgotten.size();
    const std::uint64_t complete_from = step.complete_from;
    std::vector<wire::SliceRange> runs;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        breather_.breathe();
        CASC_TRY(const bool kept, stays(request, batch, i, step));
        if (!kept) continue;
        if (!runs.empty() && runs.back().end == i) {
            runs.back().end = i + 1;
        } else {
            runs.push_back({i, i + 1});
        }
    }
    const bool is_whole =
        runs.size() == 1 && runs.front().first == 0 && runs.front().end == batch.event_count();
    if (is_whole) return {};
    auto replaced = replace(batch, runs, step);
    if (replaced || !request.erased.empty() || !is_of_the_batch(replaced.error().code))
        return replaced;
    // Its producer has made it so, or it has rotted: whoever reads it is told, and the others of
    // the log are compacted all the same.
    step.forgotten.resize(forgotten);
    step.complete_from = complete_from;
    return {};
}

Result<bool> LogRewriter::stays(const RewriteRequest& request, const wire::BatchView& batch,
                                std::uint32_t index, Step& step) {
    const std::uint64_t offset = batch.stamp().base_offset + index;
    if (offset < request.from.value() || offset >= request.until.value()) return true;
    if (std::binary_search(request.erased.begin(), request.erased.end(), Offset(offset)))
        return false;
    const auto key = batch.value(wire::Column::keys, index);
    if (!request.compacts || !key) return true;
    std::string row_key = key_row_key(request.log, text_of(*key));
    CASC_TRY(const auto stored, rocks_.get(row_key));
    std::optional<KeyRow> row;
    if (stored) {
        row = row_from<KeyRow>(*stored);
        if (!row)
            return Error(ErrorCode::data_corrupt,
                         "the row of a key of log " + std::to_string(request.log.value()));
    }
    switch (fate_of(offset, batch.stamp().append_time, row, request)) {
        case Fate::stays:
            return true;
        case Fate::forgotten_tombstone:
            step.forgotten.push_back(std::move(row_key));
            step.complete_from = offset + 1;
            return false;
        case Fate::replaced:
            break;
    }
    return false;
}

Result<void> LogRewriter::replace(const wire::BatchView& batch,
                                  const std::vector<wire::SliceRange>& runs, Step& step) {
    if (!batch.verify_body())
        return Error(ErrorCode::data_corrupt, "the batch at offset " +
                                                  std::to_string(batch.stamp().base_offset) +
                                                  " does not match its checksum");
    CASC_TRY(const auto payloads, decompressor_.open(batch));
    const std::uint64_t base = batch.stamp().base_offset;
    std::vector<wire::SliceRange> parts;
    for (const wire::SliceRange run : runs) {
        for (wire::SliceRange part = run; part.first < run.end; part = {part.end, run.end}) {
            part.end = fitting_end(batch, part);
            if (wire::slice_bytes(batch, part) > wire::kBatchBytesMax)
                return Error(ErrorCode::event_too_large,
                             "the event at offset " + std::to_string(base + part.first) +
                                 " is, uncompressed, larger than a batch, and cannot go by itself");
            parts.push_back(part);
        }
    }
    std::uint32_t kept = 0;
    if (runs.empty() || runs.front().first != 0) step.changes.push_back({base, {}});
    for (const wire::SliceRange part : parts) {
        std::vector<std::byte> bytes(wire::slice_bytes(batch, part));
        wire::slice_batch(batch, payloads, part, bytes);
        if (batch.header().codec == wire::Codec::lz4) {
            wire::compress_batch(bytes);
            bytes.shrink_to_fit();  // many are held until all are written
        }
        step.bytes_after += bytes.size();
        ++step.batches_after;
        step.changes.push_back({base + part.first, std::move(bytes)});
        kept += part.end - part.first;
    }
    step.events += batch.event_count() - kept;
    step.bytes_before += batch.bytes().size();
    ++step.batches_before;
    return {};
}

// ---- writing ------------------------------------------------------------------------------------

Result<CompactedRow> LogRewriter::compacted_row(LogId log) const {
    CASC_TRY(const auto stored, rocks_.get(compacted_key(log)));
    if (!stored) return CompactedRow{};
    const auto row = row_from<CompactedRow>(*stored);
    if (!row)
        return Error(ErrorCode::data_corrupt,
                     "the compaction row of log " + std::to_string(log.value()));
    return *row;
}

Result<void> LogRewriter::forget_keys(LogId log, const Step& step) {
    if (step.forgotten.empty()) return {};
    rocksdb::WriteBatch rows;
    for (const std::string& key : step.forgotten)
        rows.Delete(rocks_.state(), key);
    CASC_TRY(CompactedRow row, compacted_row(log));
    row.complete_from = std::max(row.complete_from, step.complete_from);
    rows.Put(rocks_.state(), compacted_key(log), rocks_slice(row_bytes(row)));
    CASC_TRY_ROCKS(rocks_.db().Write(Rocks::write_options(), &rows), "forgetting keys");
    return rocks_.flush_state();
}

Result<void> LogRewriter::shadow(LogId log, const SlicePart& part, const Step& step) {
    const SliceRef slice = slices_.find(part.slice);
    DirectoryRow row = part.row;
    row.bytes += step.bytes_after;
    row.bytes -= std::min(row.bytes, step.bytes_before);
    row.batches += step.batches_after;
    row.batches -= std::min(row.batches, step.batches_before);

    const std::string path =
        (ingest_directory_ / ("rewrite-" + std::to_string(++files_made_) + ".sst")).string();
    rocksdb::SstFileWriter file(rocks_.sst_env_options(), rocks_.sst_options());
    CASC_TRY_ROCKS(file.Open(path), "creating an SST file");
    CASC_TRY_ROCKS(file.Put(slice_directory_key(log), rocks_slice(row_bytes(row))),
                   "writing an SST file");
    for (const Change& change : step.changes) {
        const std::string key = batch_key(log.value(), change.base);
        const rocksdb::Slice batch(reinterpret_cast<const char*>(change.batch.data()),
                                   change.batch.size());
        CASC_TRY_ROCKS(change.batch.empty() ? file.Delete(key) : file.Put(key, batch),
                       "writing an SST file");
    }
    CASC_TRY_ROCKS(file.Finish(), "finishing an SST file");
    CASC_FAIL_POINT("rewrite.sst_written");
    rocksdb::IngestExternalFileOptions options;
    options.move_files = true;
    options.write_global_seqno = false;
    CASC_TRY_ROCKS(rocks_.db().IngestExternalFile(slice->handle, {path}, options), "ingesting");

    checkpointer_.forget_directory(part.slice);
    CASC_TRY(CompactedRow done, compacted_row(log));
    done.events += step.events;
    rocksdb::WriteBatch rows;
    rows.Put(rocks_.state(), directory_key(log, part.slice), rocks_slice(row_bytes(row)));
    if (part.slice.retention == RetentionClass::compacted)
        rows.Put(rocks_.state(), compacted_key(log), rocks_slice(row_bytes(done)));
    CASC_TRY_ROCKS(rocks_.db().Write(Rocks::write_options(), &rows), "writing state");
    return rocks_.flush_state();
}

}  // namespace casc::storage
