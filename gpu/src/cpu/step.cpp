#include "cpu/step.hpp"

#include "row_values.hpp"

#include <casc/gpu/sampling.hpp>

#include <algorithm>

namespace casc::gpu::cpu {

unsigned __int128 Step::bytes(const ModelConfig& model, const BackendLimits& limits) {
    using Wide = unsigned __int128;
    const Wide slots = limits.slot_count;
    const Wide states = slots * in_lines(model.hidden_size) * sizeof(float);
    return states + SlotBook::bytes(model, limits) + slots * sizeof(std::size_t) +
           Wide{limits.step_tokens_max} * sizeof(NewToken);
}

Step::Step(const ModelConfig& model, const BackendLimits& limits, Transformer& transformer,
           WorkerPool& pool, FloatMemory& memory)
    : model_(model),
      limits_(limits),
      transformer_(transformer),
      pool_(pool),
      states_(memory.take(limits.slot_count * model.hidden_size)),
      book_(model, limits, transformer.rope()) {
    tokens_.reserve(limits.step_tokens_max);
    rows_.reserve(limits.slot_count);
}

void Step::run(std::span<const SequenceStep> sequences, StepOutput& output) {
    book_.check(sequences);
    for (const SequenceStep& sequence : sequences)
        prepare(sequence);
    tokens_.clear();
    for (const SequenceStep& sequence : sequences)
        book_.append_new(sequence, tokens_);
    transformer_.compute(tokens_);
    give_out(sequences, output);
}

void Step::prepare(const SequenceStep& sequence) {
    const std::uint32_t outdated = book_.outdated(sequence);
    book_.enter(sequence);
    for (std::uint32_t first = 0; first < outdated; first += limits_.step_tokens_max) {
        tokens_.clear();
        book_.append_again(sequence.slot, first,
                           std::min(outdated, first + limits_.step_tokens_max), tokens_);
        transformer_.compute(tokens_);
    }
}

// ---- output -------------------------------------------------------------------------------------

std::size_t Step::collect_states(std::span<const SequenceStep> sequences, bool through_head,
                                 std::size_t row) {
    std::size_t end = 0;  // of the sequence's tokens
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        end += sequences[i].tokens.size();
        if (sequences[i].wanted == Wanted::nothing ||
            goes_through_head(sequences[i].wanted) != through_head)
            continue;
        transformer_.finish(end - 1, &states_[row * model_.hidden_size]);
        rows_[i] = row++;
    }
    return row;
}

void Step::give_out(std::span<const SequenceStep> sequences, StepOutput& output) {
    const std::size_t hidden = model_.hidden_size;
    rows_.assign(sequences.size(), 0);
    const std::size_t headed = collect_states(sequences, true, 0);
    const std::size_t all = collect_states(sequences, false, headed);
    output.rows.assign(sequences.size(), {});
    output.memory.resize(headed * head_rows(model_) + (all - headed) * hidden);
    if (headed > 0)
        transformer_.multiply_head({states_.data(), hidden, headed}, output.memory.data());
    const std::size_t embeddings = headed * head_rows(model_);
    std::ranges::copy(states_.subspan(headed * hidden, (all - headed) * hidden),
                      output.memory.begin() + static_cast<std::ptrdiff_t>(embeddings));
    pool_.run(sequences.size(), [&](std::size_t i, std::size_t) {
        const Wanted wanted = sequences[i].wanted;
        const std::span memory(output.memory);
        if (goes_through_head(wanted))
            finish_row(sequences[i],
                       memory.subspan(rows_[i] * head_rows(model_), head_rows(model_)),
                       output.rows[i]);
        if (wanted == Wanted::embedding)
            finish_row(sequences[i],
                       memory.subspan(embeddings + (rows_[i] - headed) * hidden, hidden),
                       output.rows[i]);
    });
}

void Step::finish_row(const SequenceStep& sequence, std::span<float> values, StepOutput::Row& row) {
    if (sequence.wanted == Wanted::embedding) scale_to_length_1(values);
    if (are_finite(values)) {
        if (sequence.wanted == Wanted::token) {
            row.token = sample(values, sequence.sampling, sequence.draw);
        } else {
            row.values = values;
        }
    }
    if (row.token == kNoToken && row.values.empty()) row.failed = ErrorCode::inference_failed;
}

}  // namespace casc::gpu::cpu
