#pragma once
// casc/wire/tombstone.hpp: the event that deletes its key from a compacted topic.
//
// It has a key, an empty payload, and a header of the name below, whatever its value. The header is
// what makes the difference: a key may well have an empty value.

#include <casc/wire/batch.hpp>
#include <casc/wire/batch_builder.hpp>

#include <cstdint>
#include <string_view>

namespace casc::wire {

inline constexpr std::string_view kTombstoneHeader = "casc-tombstone";

// The longest key of a compacted topic: keys are kept in memory and are keys of rows.
inline constexpr std::size_t kCompactedKeyBytesMax = 4096;

// The length of a payload, uncompressed. Thread: any.
[[nodiscard]] std::uint32_t payload_bytes(const BatchView& batch, std::uint32_t index) noexcept;
// Whether event `index` of a batch that was parsed is a tombstone; its key is not looked at.
[[nodiscard]] bool is_tombstone(const BatchView& batch, std::uint32_t index) noexcept;

}  // namespace casc::wire
