#include "slice_directory.hpp"

#include "entry_records.hpp"

#include <algorithm>

namespace casc::storage {

Result<std::vector<SlicePart>> slices_of_log(const Rocks& rocks, LogId log) {
    const std::string prefix = directory_prefix(log);
    std::string end = prefix;
    end.append(kDirectoryKeyBytes, '\xFF');  // longer than any key with this prefix
    const rocksdb::Slice upper(end);
    auto options = Rocks::read_options();
    options.iterate_upper_bound = &upper;
    std::vector<SlicePart> parts;
    const std::unique_ptr<rocksdb::Iterator> rows(rocks.db().NewIterator(options, rocks.state()));
    for (rows->Seek(prefix); rows->Valid(); rows->Next()) {
        const auto row = row_from<DirectoryRow>(text_of(rows->value()));
        if (!row || rows->key().size() != kDirectoryKeyBytes)
            return Error(ErrorCode::data_corrupt,
                         "a directory row of log " + std::to_string(log.value()));
        parts.push_back({slice_of_directory_key(text_of(rows->key())), *row});
    }
    CASC_TRY_ROCKS(rows->status(), "reading the slice directory");
    // A log that has changed its class has parts in slices of both.
    std::sort(parts.begin(), parts.end(),
              [](const SlicePart& a, const SlicePart& b) { return a.row.first < b.row.first; });
    return parts;
}

SliceCursor::SliceCursor(const Rocks& rocks, SliceRef slice, LogId log, Purpose purpose)
    : slice_(std::move(slice)),
      log_(log),
      lower_key_(batch_key(log.value(), 0)),
      upper_key_(batch_key(log.value() + 1, 0)),
      lower_(lower_key_),
      upper_(upper_key_) {
    auto options = Rocks::read_options();
    options.iterate_lower_bound = &lower_;
    options.iterate_upper_bound = &upper_;
    // A replay must not push out what others look up.
    options.fill_cache = purpose == Purpose::look_up;
    iterator_.reset(rocks.db().NewIterator(options, slice_->handle));
}

void SliceCursor::seek(std::uint64_t offset) {
    iterator_->SeekForPrev(batch_key(log_.value(), offset));
    if (!iterator_->Valid()) {
        // Nothing at or before `offset`, or it cannot be read: then it stays invalid and status()
        // says so. It would not fail again at the beginning of the log, which may lie in a block
        // that is well.
        if (iterator_->status().ok()) iterator_->Seek(lower_key_);
        return;
    }
    const auto value = bytes_of(iterator_->value());
    // A value that is too short to be a batch is left where it is: batch() reports it.
    if (value.size() >= wire::kBatchOverheadBytes &&
        base() + peek_header(value).event_count <= offset)
        next();
}

Result<std::span<const std::byte>> SliceCursor::batch() const {
    const auto value = bytes_of(iterator_->value());
    if (!stamp_matches(value, base()))
        return Error(ErrorCode::data_corrupt, "the batch at offset " + std::to_string(base()) +
                                                  " of log " + std::to_string(log_.value()) +
                                                  " does not match its stamp");
    return value;
}

Result<void> SliceCursor::status() const {
    CASC_TRY_ROCKS(iterator_->status(), "reading a slice");
    return {};
}

}  // namespace casc::storage
