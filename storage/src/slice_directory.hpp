#pragma once
// storage/src/slice_directory.hpp: which slices hold which part of a log.

#include "slice_set.hpp"

namespace casc::storage {

struct SlicePart {
    SliceId slice;
    DirectoryRow row;
};

// The parts of `log` in offset order: one scan of as many rows as the log has slices. Thread: any.
[[nodiscard]] Result<std::vector<SlicePart>> slices_of_log(const Rocks& rocks, LogId log);

// An iterator over the batches of one log in one slice, with the bounds that it borrows.
//
// Thread: one at a time. Lifetime: must be gone before the database; keeps its slice.
class SliceCursor {
public:
    enum class Purpose : std::uint8_t { look_up, replay };

    SliceCursor(const Rocks& rocks, SliceRef slice, LogId log, Purpose purpose);
    SliceCursor(const SliceCursor&) = delete;
    SliceCursor& operator=(const SliceCursor&) = delete;

    // To the batch that holds `offset`, else to the first one behind it.
    void seek(std::uint64_t offset);
    void next() { iterator_->Next(); }
    [[nodiscard]] bool valid() const { return iterator_->Valid(); }
    [[nodiscard]] std::uint64_t base() const {
        return read_big_endian(text_of(iterator_->key()), 8);
    }
    // The batch, checked against its stamp and its key. Fails with data_corrupt.
    [[nodiscard]] Result<std::span<const std::byte>> batch() const;
    // Why it is not valid: nothing when it has come to the end.
    [[nodiscard]] Result<void> status() const;
    [[nodiscard]] const SliceRef& slice() const { return slice_; }

private:
    SliceRef slice_;
    LogId log_;
    std::string lower_key_, upper_key_;
    rocksdb::Slice lower_, upper_;
    std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace casc::storage
