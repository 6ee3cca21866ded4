#pragma once
// casc/gpu/waiting_request.hpp: what the batcher knows of a request.

#include <casc/types/vocabulary.hpp>

#include <cstdint>
#include <limits>

namespace casc::gpu {

using RequestId = std::uint64_t;
inline constexpr MonoNanos kNoDeadline{std::numeric_limits<std::int64_t>::max()};

struct WaitingRequest {
    RequestId id = 0;  // chosen by whoever offers it; no two wait with the same one
    Lane lane = Lane::normal;
    std::uint32_t tokens = 1;  // what it counts of a batch's token budget
    MonoNanos arrived{};
    MonoNanos deadline = kNoDeadline;  // when it is no longer worth an answer
};

}  // namespace casc::gpu
