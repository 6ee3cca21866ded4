#include "backend_need.hpp"

namespace casc::gpu {

Result<BackendLimits> limits_of(const ModelConfig& model, const BackendLimits& asked_for) {
    const auto refuse = [](const std::string& why) {
        return Error(ErrorCode::invalid_config, why);
    };
    if (asked_for.slot_count == 0 || asked_for.step_tokens_max == 0)
        return refuse("a backend needs at least one slot, and one token in a step");
    if (asked_for.context_tokens > model.context_tokens)
        return refuse("a context of " + std::to_string(asked_for.context_tokens) +
                      " tokens is longer than the model's " + std::to_string(model.context_tokens));
    BackendLimits limits = asked_for;
    if (limits.context_tokens == 0)
        limits.context_tokens = static_cast<std::uint32_t>(model.context_tokens);
    return limits;
}

std::string as_mib(WideBytes bytes) {
    // Rounded up, and at most what a text can say.
    const WideBytes mib = (bytes + (1u << 20) - 1) >> 20;
    return mib >> 64 != 0 ? "more than 2^64" : std::to_string(static_cast<std::uint64_t>(mib));
}

Error MemoryNeed::refused(const std::string& why) const {
    return Error(ErrorCode::model_too_large,
                 "it needs " + as_mib(all()) + " MiB: " + as_mib(weights) + " of weights, " +
                     as_mib(cache) + " for keys and values (slot_count " +
                     std::to_string(limits.slot_count) + ", context_tokens " +
                     std::to_string(limits.context_tokens) + "), " + as_mib(work) +
                     " to work with; " + why);
}

}  // namespace casc::gpu
