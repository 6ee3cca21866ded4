#pragma once
// What serving needs to know of a stored batch, read without parsing its columns.

#include <casc/storage/block.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch.hpp>

#include <cstddef>
#include <cstring>

namespace casc::broker {

struct StoredExtent {
    Offset base;  // of its first event
    Offset end;   // one past its last event
    std::uint32_t event_count;
    std::uint64_t arrival;
};

// Thread: any. `batch` comes from the store, which has checked it.
[[nodiscard]] inline StoredExtent stored_extent(const storage::BatchRef& batch) {
    wire::BatchStamp stamp;
    std::memcpy(static_cast<void*>(&stamp), batch.bytes.data(), sizeof stamp);
    std::uint32_t count;
    std::memcpy(&count,
                batch.bytes.data() + sizeof stamp + offsetof(wire::BatchHeader, event_count),
                sizeof count);
    return {Offset(stamp.base_offset), Offset(stamp.base_offset + count), count, stamp.arrival};
}

[[nodiscard]] inline EpochNanos stored_append_time(const storage::BatchRef& batch) {
    std::int64_t time;
    std::memcpy(&time, batch.bytes.data() + offsetof(wire::BatchStamp, append_time), sizeof time);
    return EpochNanos(time);
}

}  // namespace casc::broker
