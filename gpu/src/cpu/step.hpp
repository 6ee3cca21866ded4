#pragma once
// cpu/step.hpp: from the sequences of a step to its output: which tokens are computed, and what is
// made of the last state of each sequence.

#include "cpu/transformer.hpp"

#include <casc/gpu/backend.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace casc::gpu::cpu {

// Thread: one at a time. Lifetime: borrows the transformer and the pool.
class Step {
public:
    // Besides the transformer's.
    [[nodiscard]] static unsigned __int128 bytes(const ModelConfig& model,
                                                 const BackendLimits& limits);
    Step(const ModelConfig& model, const BackendLimits& limits, Transformer& transformer,
         WorkerPool& pool, FloatMemory& memory);

    // See Backend::step().
    void run(std::span<const SequenceStep> sequences, StepOutput& output);

private:
    struct Slot {
        std::uint32_t tokens = 0;  // that it has
        bool is_beyond = false;    // by which of longrope's tables they were computed
    };

    void check(std::span<const SequenceStep> sequences);
    // So that what the slot has before the sequence's new tokens fits its length with them.
    void prepare(const SequenceStep& sequence);
    void compute_again(SlotId slot, std::uint32_t count, bool is_beyond);
    void take_in(const SequenceStep& sequence);
    [[nodiscard]] std::size_t head_size() const noexcept;
    // Puts the states that go through the head in front of the others; those are embeddings.
    std::size_t collect_states(std::span<const SequenceStep> sequences, bool through_head,
                               std::size_t row);
    void give_out(std::span<const SequenceStep> sequences, StepOutput& output);
    void finish_row(const SequenceStep& sequence, std::span<float> values, StepOutput::Row& row);

    // Fixed after construction.
    const ModelConfig& model_;
    const BackendLimits limits_;
    Transformer& transformer_;
    WorkerPool& pool_;
    std::span<float> states_;  // [slot_count, hidden_size], of those that somebody wants
    // Of each slot.
    std::vector<Slot> slots_;
    std::vector<TokenId> remembered_;  // of longrope: context_tokens of each slot
    // Of the step.
    std::vector<NewToken> tokens_;
    std::vector<std::size_t> rows_;  // of each sequence: its state, once collected
    std::uint64_t step_ = 0;
    std::vector<std::uint64_t> last_steps_;  // in which a slot was last used
};

}  // namespace casc::gpu::cpu
