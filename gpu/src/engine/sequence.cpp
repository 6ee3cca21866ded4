#include "engine/sequence.hpp"

namespace casc::gpu {
namespace {

Wanted wanted_by(RequestKind kind) noexcept {
    switch (kind) {
        case RequestKind::generate:
            return Wanted::token;
        case RequestKind::embed:
            return Wanted::embedding;
        case RequestKind::classify:
            return Wanted::logits;
    }
    return Wanted::nothing;
}

std::chrono::nanoseconds time_between(MonoNanos from, MonoNanos to) noexcept {
    return std::chrono::nanoseconds((to - from).value());
}

}  // namespace

SequenceStep Sequence::next_step(std::uint32_t count) const {
    SequenceStep step{
        .slot = *slot, .position = computed, .tokens = std::span(tokens).subspan(computed, count)};
    if (count < behind()) return step;
    step.wanted = wanted_by(request.kind);
    step.sampling = request.sampling;
    // By its place in the text alone: the same after a failure, and in any company.
    step.draw = draw_at(request.seed, static_cast<std::uint32_t>(tokens.size()));
    return step;
}

void Sequence::read_new_tokens() {
    while (prompt_count + read_count < tokens.size() && !text->stopped())
        text->push(tokens[prompt_count + read_count++]);
}

AnswerTimes Sequence::times(MonoNanos now) const noexcept {
    AnswerTimes times{.total = time_between(arrived, now)};
    if (slot) times.queued = time_between(arrived, admitted);
    if (answer_count != 0) times.first_token = time_between(arrived, first_token);
    return times;
}

}  // namespace casc::gpu
