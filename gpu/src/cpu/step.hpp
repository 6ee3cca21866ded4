#pragma once
// cpu/step.hpp: from the sequences of a step to its output: which tokens are computed, and what is
// made of the last state of each sequence.

#include "cpu/transformer.hpp"
#include "slot_book.hpp"

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

    // See Backend::launch() and finish().
    void run(std::span<const SequenceStep> sequences, StepOutput& output);

private:
    // What the slot has before the sequence's new tokens, so that it fits its length with them.
    void prepare(const SequenceStep& sequence);
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
    SlotBook book_;
    // Of the step.
    std::vector<NewToken> tokens_;
    std::vector<std::size_t> rows_;  // of each sequence: its state, once collected
};

}  // namespace casc::gpu::cpu
