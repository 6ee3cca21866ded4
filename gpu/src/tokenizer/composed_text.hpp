#pragma once
// gpu/src/tokenizer/composed_text.hpp: Normalization Form C of Unicode (UAX #15): of all ways to
// write the same letters, the one in which a letter and its marks are one character where there is
// such a one.

#include <string>
#include <string_view>

namespace casc::gpu {

// `text` is UTF-8. Takes time in proportion to it, and a little more where it is one heap of marks.
[[nodiscard]] std::string composed_text(std::string_view text);

}  // namespace casc::gpu
