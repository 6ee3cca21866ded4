#pragma once
// casc/gpu/batch_policy.hpp: what a model's batches may be like.

#include <casc/types/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace casc::gpu {

struct BatchPolicy {
    std::size_t max_batch = 32;  // requests; an engine has no more than its backend can run
    // A cap and not a target: nothing waits longer than this for company while the device would
    // take it. Most batches leave long before.
    std::chrono::nanoseconds max_wait = std::chrono::milliseconds(100);
    std::size_t queue_capacity = 1024;  // requests in line, per lane
    // Tokens of all that are in line, so that a thousand of the longest prompts are not kept.
    std::uint64_t queue_tokens_max = std::uint64_t{1} << 24;
    // Tokens of a batch; 0: any number. In an engine a batch is who joins in one step: the tokens
    // of those who run already do not count.
    std::uint64_t tokens_max = 0;
    // How long a batch should take on the device at most: larger ones are then made smaller. 0: it
    // does not matter. An engine judges steps in which answers grow and no prompt is computed: how
    // long a prompt takes says nothing of how many there are.
    std::chrono::nanoseconds step_objective{0};
    // One of so many requests of a batch is taken from lanes below the most urgent one, when
    // somebody waits there.
    std::size_t starvation_share = 8;

    // Fails with: invalid_config.
    [[nodiscard]] Result<void> check() const;
};

}  // namespace casc::gpu
