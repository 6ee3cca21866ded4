#pragma once
// What a reader finds in a frame or a batch, field by field, as text: the second half of a golden
// file. Decodes with the library alone and throws std::runtime_error at anything that it refuses.

#include <cstddef>
#include <span>
#include <string>

namespace casc::golden {

[[nodiscard]] std::string describe_frame(std::span<const std::byte> bytes);
[[nodiscard]] std::string describe_batch(std::span<const std::byte> bytes);

// A frame or a batch, whichever it is: their magics stand in different places.
[[nodiscard]] std::string describe(std::span<const std::byte> bytes);

}  // namespace casc::golden
