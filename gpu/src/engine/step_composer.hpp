#pragma once
// gpu/src/engine/step_composer.hpp: which tokens of which sequences a step computes.
//
// Those whose answers grow go first, with the one token that they are behind: a step of theirs is
// short, and somebody may be reading along. What the step still has room for goes to prompts, in
// parts, but while answers grow no more than prompt_tokens_max: a long prompt would hold them up
// for as long as it takes (the chunks of Agrawal et al., "Sarathi", 2023).

#include "engine/sequence.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace casc::gpu {

struct StepBudget {
    std::uint32_t tokens_max = 0;         // of a step; at least as many as there are sequences
    std::uint32_t prompt_tokens_max = 0;  // of a step in which answers grow
};

struct StepPart {
    Sequence* sequence = nullptr;  // null: it was answered while the step was under way
    std::uint32_t token_count = 0;
};

// Whose prompt is computed first.
enum class PromptOrder : std::uint8_t {
    by_lane,  // of one lane the one that has its slot for longest
    by_age    // the one that has its slot for longest, whatever its lane
};

// Fills `parts`. `running` is in the order in which they got their slots; of a sequence at most one
// part is made, of at least one token. There is one unless nothing runs.
void compose_step(std::span<Sequence* const> running, const StepBudget& budget, PromptOrder order,
                  std::vector<StepPart>& parts);

}  // namespace casc::gpu
