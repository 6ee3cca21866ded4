#include "cpu/step.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace casc::gpu::cpu {
namespace {

bool is_longrope(const ModelConfig& model) {
    return model.rope.kind == RopeScaling::Kind::longrope;
}

bool goes_through_head(Wanted wanted) {
    return wanted == Wanted::token || wanted == Wanted::logits;
}

// Added to finite numbers, 0 times each of them is 0; of infinities and what is no number it is no
// number. In eight sums, so that one does not wait for the other.
bool are_finite(std::span<const float> numbers) {
    float sums[8] = {};
    std::size_t i = 0;
    for (; i + 8 <= numbers.size(); i += 8)
        for (std::size_t lane = 0; lane < 8; ++lane)
            sums[lane] += 0 * numbers[i + lane];
    for (; i < numbers.size(); ++i)
        sums[0] += 0 * numbers[i];
    return std::ranges::all_of(sums, [](float sum) { return sum == 0; });
}

void scale_to_length_1(std::span<float> numbers) {
    double squares = 0;
    for (const float number : numbers)
        squares += static_cast<double>(number) * static_cast<double>(number);
    const double scale = 1 / std::sqrt(squares);
    for (float& number : numbers)
        number = static_cast<float>(number * scale);
}

}  // namespace

unsigned __int128 Step::bytes(const ModelConfig& model, const BackendLimits& limits) {
    using Wide = unsigned __int128;
    const Wide slots = limits.slot_count;
    const Wide states = slots * in_lines(model.hidden_size) * sizeof(float);
    const Wide remembered =
        is_longrope(model) ? slots * limits.context_tokens * sizeof(TokenId) : 0;
    return states + remembered + slots * (sizeof(Slot) + sizeof(std::size_t) + sizeof(step_)) +
           Wide{limits.step_tokens_max} * sizeof(NewToken);
}

Step::Step(const ModelConfig& model, const BackendLimits& limits, Transformer& transformer,
           WorkerPool& pool, FloatMemory& memory)
    : model_(model),
      limits_(limits),
      transformer_(transformer),
      pool_(pool),
      states_(memory.take(limits.slot_count * model.hidden_size)),
      slots_(limits.slot_count),
      remembered_(is_longrope(model) ? std::size_t{limits.slot_count} * limits.context_tokens : 0),
      last_steps_(limits.slot_count) {
    tokens_.reserve(limits.step_tokens_max);
    rows_.reserve(limits.slot_count);
}

void Step::run(std::span<const SequenceStep> sequences, StepOutput& output) {
    check(sequences);
    for (const SequenceStep& sequence : sequences)
        prepare(sequence);
    tokens_.clear();
    for (const SequenceStep& sequence : sequences)
        take_in(sequence);
    transformer_.compute(tokens_);
    give_out(sequences, output);
}

void Step::check(std::span<const SequenceStep> sequences) {
    ++step_;
    std::size_t tokens = 0;
    for (const SequenceStep& sequence : sequences) {
        CASC_ASSERT(sequence.slot < limits_.slot_count, sequence.slot);
        CASC_ASSERT(std::exchange(last_steps_[sequence.slot], step_) != step_, sequence.slot);
        CASC_ASSERT(!sequence.tokens.empty(), sequence.slot);
        CASC_ASSERT(sequence.position <= slots_[sequence.slot].tokens, sequence.slot,
                    sequence.position, slots_[sequence.slot].tokens);
        CASC_ASSERT(sequence.tokens.size() <= limits_.context_tokens - sequence.position,
                    sequence.slot, sequence.position, sequence.tokens.size());
        CASC_ASSERT(sequence.wanted != Wanted::token || !model_.classifies(), sequence.slot);
        for (const TokenId token : sequence.tokens)
            CASC_ASSERT(token < model_.vocabulary_size, token);
        tokens += sequence.tokens.size();
    }
    CASC_ASSERT(tokens <= limits_.step_tokens_max, tokens);
}

// ---- tokens -------------------------------------------------------------------------------------

void Step::prepare(const SequenceStep& sequence) {
    Slot& slot = slots_[sequence.slot];
    const std::size_t length = sequence.position + sequence.tokens.size();
    const bool is_beyond = transformer_.rope().is_beyond(length);
    if (slot.is_beyond != is_beyond) compute_again(sequence.slot, sequence.position, is_beyond);
    slot = {static_cast<std::uint32_t>(length), is_beyond};
    if (!remembered_.empty())
        std::ranges::copy(
            sequence.tokens,
            remembered_.begin() +
                static_cast<std::ptrdiff_t>(sequence.slot * std::size_t{limits_.context_tokens} +
                                            sequence.position));
}

void Step::compute_again(SlotId slot, std::uint32_t count, bool is_beyond) {
    const std::size_t first = std::size_t{slot} * limits_.context_tokens;
    for (std::uint32_t position = 0; position < count;) {
        tokens_.clear();
        for (; position < count && tokens_.size() < limits_.step_tokens_max; ++position)
            tokens_.push_back({remembered_[first + position], slot, position, is_beyond});
        transformer_.compute(tokens_);
    }
}

void Step::take_in(const SequenceStep& sequence) {
    std::uint32_t position = sequence.position;
    for (const TokenId token : sequence.tokens)
        tokens_.push_back({token, sequence.slot, position++, slots_[sequence.slot].is_beyond});
}

// ---- output -------------------------------------------------------------------------------------

std::size_t Step::head_size() const noexcept {
    return model_.classifies() ? model_.labels.size() : model_.vocabulary_size;
}

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
    output.memory.resize(headed * head_size() + (all - headed) * hidden);
    if (headed > 0)
        transformer_.multiply_head({states_.data(), hidden, headed}, output.memory.data());
    const std::size_t embeddings = headed * head_size();
    std::ranges::copy(states_.subspan(headed * hidden, (all - headed) * hidden),
                      output.memory.begin() + static_cast<std::ptrdiff_t>(embeddings));
    pool_.run(sequences.size(), [&](std::size_t i, std::size_t) {
        const Wanted wanted = sequences[i].wanted;
        const std::span memory(output.memory);
        if (goes_through_head(wanted))
            finish_row(sequences[i], memory.subspan(rows_[i] * head_size(), head_size()),
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
