#pragma once
// The shape of each column, so that builder and view agree by construction.

#include <casc/types/units.hpp>
#include <casc/wire/batch.hpp>

#include <array>
#include <cstddef>

namespace casc::wire::detail {

struct ColumnShape {
    std::size_t fixed_bytes;  // per event; 0: a bytes column
};

inline constexpr std::array<ColumnShape, kColumnCount> kShapes{{
    {4},   // payload_ends
    {0},   // keys
    {16},  // message_ids
    {8},   // timestamps
    {0},   // headers
    {0},   // types
    {0},   // correlation_ids
    {0},   // sources
    {0},   // destinations
    {4},   // schema_versions
    {4},   // time_to_live
    {8},   // deliver_at
}};

// In a bytes column an end position with this bit set belongs to an event that has no value at all
// (which is not the same as an empty one). Its lower bits equal the previous end.
inline constexpr std::uint32_t kAbsent = 0x80000000u;

constexpr std::size_t padded(std::size_t bytes) {
    return align_up<std::size_t>(bytes, 8);
}

// The padded size of a fixed column, or of the end positions of a bytes column.
constexpr std::size_t fixed_part_bytes(ColumnShape shape, std::size_t events) {
    return padded((shape.fixed_bytes == 0 ? 4 : shape.fixed_bytes) * events);
}

}  // namespace casc::wire::detail
