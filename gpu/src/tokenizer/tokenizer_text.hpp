#pragma once
// gpu/src/tokenizer/tokenizer_text.hpp: what every tokeniser asks of a text.

#include <casc/types/result.hpp>

#include <string_view>

namespace casc::gpu {

// Fails with: invalid_request (it is not UTF-8, or is larger than any context).
[[nodiscard]] Result<void> check_text(std::string_view text);

}  // namespace casc::gpu
