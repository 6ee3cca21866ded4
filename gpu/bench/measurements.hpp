#pragma once
// What is measured of a backend. Each prints what it finds, and says what is asked of it.

#include "../check/backends.hpp"
#include "bars.hpp"

#include <casc/gpu/backend.hpp>
#include <casc/gpu/random_model.hpp>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace casc::gpu {

struct Measured {
    BackendKind kind;
    RandomModelShape shape;
    std::string_view shape_name;
    std::uint32_t context = 0;
};

// Tokens of answers that grow, 1 to 32 of them together, each with so many tokens before it: how
// far from reading what a step must read once.
[[nodiscard]] std::vector<Bar> measure_decoding(const Measured& what, Backend& backend,
                                                double weight_bytes);
inline constexpr std::uint32_t kDecodedMax = 32;

// The first token of a lone request whose prompt has as many tokens, through the rings of a stage
// and back, beside the backend's own time for it.
[[nodiscard]] std::vector<Bar> measure_first_token(const Measured& what,
                                                   std::unique_ptr<Backend> backend);

// Texts of as many tokens, more than a step takes, to a stage with a classifier of the shape: how
// far from the speed at which tokens come to the device, and from that at which it multiplies.
[[nodiscard]] std::vector<Bar> measure_classifying(const Measured& what);

}  // namespace casc::gpu
