#include <casc/gpu/batch_policy.hpp>

namespace casc::gpu {

Result<void> BatchPolicy::check() const {
    constexpr std::chrono::nanoseconds longest = std::chrono::minutes(1);
    constexpr std::size_t kCapacityMax = 1'000'000;
    const auto refuse = [](const char* why) { return Error(ErrorCode::invalid_config, why); };
    if (max_batch == 0 || max_batch > 4096) return refuse("max_batch must be 1 to 4096");
    if (max_wait.count() < 0 || max_wait > longest)
        return refuse("max_wait must be between 0 and a minute");
    if (queue_capacity < max_batch || queue_capacity > kCapacityMax)
        return refuse("queue_capacity must be at least max_batch and at most a million");
    if (queue_tokens_max == 0) return refuse("queue_tokens_max must be at least 1");
    if (step_objective.count() < 0 || step_objective > longest)
        return refuse("step_objective must be between 0 and a minute");
    if (starvation_share < 2) return refuse("starvation_share must be at least 2");
    return {};
}

}  // namespace casc::gpu
