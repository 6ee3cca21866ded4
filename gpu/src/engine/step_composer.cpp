#include "engine/step_composer.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>

namespace casc::gpu {
namespace {

void add_growing_answers(std::span<Sequence* const> running, std::vector<StepPart>& parts) {
    for (Sequence* const sequence : running)
        if (sequence->behind() == 1) parts.push_back({sequence, 1});
}

// Adds prompts for which `chosen` until nothing is left of the budget; returns what is.
template <class Chosen>
std::uint32_t add_prompts(std::span<Sequence* const> running, std::uint32_t left,
                          std::vector<StepPart>& parts, Chosen&& chosen) {
    for (Sequence* const sequence : running) {
        if (left == 0) return 0;
        if (sequence->behind() == 1 || !chosen(*sequence)) continue;
        const std::uint32_t count = std::min(left, sequence->behind());
        parts.push_back({sequence, count});
        left -= count;
    }
    return left;
}

}  // namespace

void compose_step(std::span<Sequence* const> running, const StepBudget& budget, PromptOrder order,
                  std::vector<StepPart>& parts) {
    parts.clear();
    add_growing_answers(running, parts);
    const auto growing = static_cast<std::uint32_t>(parts.size());
    CASC_ASSERT(growing <= budget.tokens_max, growing, budget.tokens_max);
    std::uint32_t left = budget.tokens_max - growing;
    if (growing != 0) left = std::min(left, budget.prompt_tokens_max);
    if (order == PromptOrder::by_age) {
        add_prompts(running, left, parts, [](const Sequence&) { return true; });
        return;
    }
    for (const Lane lane : kLanes)
        left = add_prompts(running, left, parts, [lane](const Sequence& sequence) {
            return sequence.request.lane == lane;
        });
}

}  // namespace casc::gpu
