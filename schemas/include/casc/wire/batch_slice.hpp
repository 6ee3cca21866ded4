#pragma once
// casc/wire/batch_slice.hpp: some neighbouring events of a stored batch as a batch of their own.
//
// For a receiver that is to get a part of what lies together: a member of a queue group with room
// for ten events, the one event that is tried again. Offsets, times and epoch stay; the checksum is
// new, so whoever slices verifies the batch's own first.

#include <casc/wire/batch.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace casc::wire {

struct SliceRange {
    std::uint32_t first;
    std::uint32_t end;  // exclusive; first < end <= event_count()
};

// Of the result of slice_batch().
[[nodiscard]] std::size_t slice_bytes(const BatchView& batch, SliceRange range) noexcept;

// Writes the slice, uncompressed, into exactly slice_bytes() bytes. `payloads` are the uncompressed
// payloads of `batch` (see Decompressor). Thread: any.
void slice_batch(const BatchView& batch, std::span<const std::byte> payloads, SliceRange range,
                 std::span<std::byte> into) noexcept;

// Compresses the payloads of a stamped batch that has them uncompressed, if that makes it smaller.
void compress_batch(std::vector<std::byte>& batch);

}  // namespace casc::wire
