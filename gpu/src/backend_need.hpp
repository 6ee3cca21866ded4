#pragma once
// backend_need.hpp: what is asked of a backend, and the memory that it needs for it.

#include <casc/gpu/backend.hpp>
#include <casc/types/result.hpp>

#include <cstdint>
#include <string>

namespace casc::gpu {

// The limits that options ask for; context_tokens 0: all that the model can. Fails with:
// invalid_config.
[[nodiscard]] Result<BackendLimits> limits_of(const ModelConfig& model,
                                              const BackendLimits& asked_for);

using WideBytes = unsigned __int128;  // four counts of 32 bits do not overflow it

[[nodiscard]] std::string as_mib(WideBytes bytes);

struct MemoryNeed {
    WideBytes weights = 0;
    WideBytes cache = 0;
    WideBytes work = 0;
    BackendLimits limits{};

    [[nodiscard]] WideBytes all() const { return weights + cache + work; }
    // model_too_large, with what is needed and what for.
    [[nodiscard]] Error refused(const std::string& why) const;
};

}  // namespace casc::gpu
