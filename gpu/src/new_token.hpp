#pragma once
// new_token.hpp: a token that a step computes.

#include <casc/gpu/backend.hpp>
#include <casc/gpu/token.hpp>

#include <cstdint>

namespace casc::gpu {

struct NewToken {
    TokenId token = 0;
    SlotId slot = 0;
    std::uint32_t position = 0;
    bool is_beyond = false;  // see Rope
};

}  // namespace casc::gpu
