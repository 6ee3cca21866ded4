#pragma once
// casc/gpu/token.hpp: what text is to a model.

#include <cstdint>
#include <limits>

namespace casc::gpu {

// A row of the model's vocabulary.
using TokenId = std::uint32_t;
inline constexpr TokenId kNoToken = std::numeric_limits<TokenId>::max();

}  // namespace casc::gpu
