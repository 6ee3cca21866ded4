#pragma once
// storage/src/slice_set.hpp: the column families that hold event data, each for one retention class
// and span.

#include "store_keys.hpp"
#include "store_rocks.hpp"

#include <array>
#include <map>

namespace casc::storage {

// One column family. Its files go when it has been dropped and the last reference to it is gone.
//
// Thread: any.
class Slice {
public:
    Slice(Rocks& rocks, rocksdb::ColumnFamilyHandle* family, SliceId slice_id,
          EpochNanos created_at)
        : id(slice_id), created(created_at), handle(family), rocks_(rocks) {}
    ~Slice() { rocks_.db().DestroyColumnFamilyHandle(handle); }
    Slice(const Slice&) = delete;
    Slice& operator=(const Slice&) = delete;

    // Bytes of its SST files.
    [[nodiscard]] std::uint64_t file_bytes() const;
    // "000140.sst, 000141.sst": for whoever has to find the one that RocksDB could not read.
    [[nodiscard]] std::string file_names() const;

    const SliceId id;
    const EpochNanos created;
    rocksdb::ColumnFamilyHandle* const handle;

private:
    Rocks& rocks_;
};
using SliceRef = std::shared_ptr<Slice>;

// How long a slice of a class takes new batches at most; whole slices are dropped, so a class of
// events may stay this much longer than asked for. 0: only its size seals a slice.
[[nodiscard]] std::int64_t slice_span_ns(RetentionClass retention);

// Thread: any. Changed only by the checkpoint thread; readers take references under the mutex,
// which is a leaf and is
//         never held over a call of RocksDB that does I/O.
class SliceSet {
public:
    // Takes over the column families that Rocks::open found. Fails with data_corrupt on a name that
    // is not a slice's.
    [[nodiscard]] static Result<std::unique_ptr<SliceSet>> adopt(Rocks& rocks,
                                                                 std::vector<Rocks::Opened> opened);

    explicit SliceSet(Rocks& rocks) : rocks_(rocks) {}

    [[nodiscard]] SliceRef find(SliceId id) const;
    [[nodiscard]] std::vector<SliceRef> all() const;
    // The one that takes new batches: the newest of its class. Null when the class has none.
    [[nodiscard]] SliceRef current(RetentionClass retention) const;

    // Starts a new slice, which is the current one from now on.
    [[nodiscard]] Result<SliceRef> create(RetentionClass retention, EpochNanos now);
    // The column family is gone for good; its files as soon as the last reader lets go of it.
    [[nodiscard]] Result<void> drop(const SliceRef& slice);

    [[nodiscard]] std::size_t count() const;

private:
    using Numbered = std::map<std::uint32_t, SliceRef>;
    [[nodiscard]] const Numbered& of(RetentionClass retention) const {
        return slices_[static_cast<std::size_t>(retention)];
    }

    Rocks& rocks_;
    mutable std::mutex mutex_;
    std::array<Numbered, kRetentionClassCount> slices_;
    // Never given out again while the store is open, even if the newest slice is dropped.
    std::array<std::uint32_t, kRetentionClassCount> next_number_{1, 1, 1, 1, 1, 1};
};

}  // namespace casc::storage
