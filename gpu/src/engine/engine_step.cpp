#include "engine/class_probabilities.hpp"
#include "engine/sequence.hpp"
#include "engine/step_composer.hpp"

#include <casc/gpu/engine.hpp>
#include <casc/types/assert.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace casc::gpu {
namespace {

// One step of so many computes prompts by age, so that urgent ones that never end do not keep who
// has a slot from ever using it. The share is that of batch_policy.hpp.
constexpr std::uint64_t kByAgeEvery = 8;

}  // namespace

// ---- before it ----------------------------------------------------------------------------------

bool Engine::begin_step(MonoNanos now) {
    CASC_ASSERT(!step_is_under_way_, metrics_->steps.value());
    look_again_ = kNoDeadline;
    end_late(now);
    let_in(now);
    if (running_.empty()) return false;
    prepare_step();
    step_began_ = now;
    step_result_ = backend_->launch(steps_, step_output_);
    step_is_under_way_ = true;
    read_new_tokens(now);
    return true;
}

void Engine::end_late(MonoNanos now) {
    while (const auto late = batcher_.next_expired(now))
        finish(static_cast<Place>(late->id), FinishReason::timeout, ErrorCode::timeout, now);
    for (std::size_t i = running_.size(); i-- > 0;)
        if (running_[i]->request.deadline <= now)
            finish(running_[i]->place, FinishReason::timeout, ErrorCode::timeout, now);
}

void Engine::let_in(MonoNanos now) {
    const std::size_t slots = batcher_.size_limit();
    if (batcher_.waiting().empty() || running_.size() >= slots) return;
    const bool is_idle = running_.empty();
    if (!is_idle && !options_.joins_running) return;
    if (is_idle) {
        const BatchPlan plan = batcher_.plan(now, Device::idle);
        look_again_ = plan.look_again;
        if (!plan.fires) return;
        metrics_->fired[static_cast<std::size_t>(*plan.fires)].add();
    }
    batcher_.take_batch(joining_, slots - running_.size());
    if (!is_idle) metrics_->joined.add(joining_.size());
    std::uint64_t longest_wait = 0;
    for (const WaitingRequest& request : joining_) {
        Sequence& sequence = *places_[request.id];
        sequence.slot = free_slots_.back();
        sequence.admitted = now;
        free_slots_.pop_back();
        running_.push_back(&sequence);
        const auto waited = static_cast<std::uint64_t>((now - sequence.arrived).value());
        metrics_->queued[static_cast<std::size_t>(request.lane)].record(waited);
        longest_wait = std::max(longest_wait, waited);
    }
    if (is_idle) metrics_->batch_wait.record(longest_wait);
    note_load();
}

void Engine::prepare_step() {
    const auto order =
        metrics_->steps.value() % kByAgeEvery == 0 ? PromptOrder::by_age : PromptOrder::by_lane;
    compose_step(running_,
                 {.tokens_max = backend_->limits().step_tokens_max,
                  .prompt_tokens_max = options_.prompt_tokens_per_step},
                 order, parts_);
    steps_.clear();
    for (const StepPart& part : parts_)
        steps_.push_back(part.sequence->next_step(part.token_count));
}

// Who is found to have ended is in the step that is under way, too.
void Engine::read_new_tokens(MonoNanos now) {
    for (std::size_t i = running_.size(); i-- > 0;) {
        Sequence& sequence = *running_[i];
        if (!sequence.text) continue;
        sequence.read_new_tokens();
        if (sequence.text->stopped()) {
            finish(sequence.place, FinishReason::stop_string, ErrorCode::ok, now);
        } else if (sequence.request.streams) {
            hand_out_text(sequence);
        }
    }
}

// ---- after it -----------------------------------------------------------------------------------

void Engine::await_step(MonoNanos now) {
    CASC_ASSERT(step_is_under_way_ && !step_is_over_, metrics_->steps.value());
    if (!backend_->computes_by_itself()) step_began_ = now;
    if (step_result_) step_result_ = backend_->finish();
    step_is_over_ = true;
}

void Engine::end_step(MonoNanos now) {
    CASC_ASSERT(step_is_over_, metrics_->steps.value());
    const std::chrono::nanoseconds took((now - step_began_).value());
    count_step(took);
    if (!step_result_) {
        take_failed_step(now);
    } else {
        CASC_ASSERT(step_output_.rows.size() == parts_.size(), step_output_.rows.size(),
                    parts_.size());
        failures_in_a_row_ = 0;
        if (had_no_prompts()) batcher_.finished(parts_.size(), took);
        for (std::size_t i = 0; i < parts_.size(); ++i)
            if (parts_[i].sequence != nullptr) take_row(parts_[i], step_output_.rows[i], now);
    }
    step_is_under_way_ = false;
    step_is_over_ = false;
    note_cache();
    note_load();
}

void Engine::note_cache() {
    std::uint64_t cached = 0;
    for (const Sequence* const sequence : running_)
        cached += sequence->computed;
    metrics_->cached_tokens.set(cached);
}

void Engine::count_step(std::chrono::nanoseconds took) {
    metrics_->steps.add();
    metrics_->batch_size.record(parts_.size());
    Times& times = had_no_prompts() ? metrics_->decode_step : metrics_->prompt_step;
    times.record(static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)));
}

// Otherwise how long it took is a matter of how long they are. (The last part of a prompt may be
// one token, too; it costs what one of an answer does.)
bool Engine::had_no_prompts() const noexcept {
    return std::ranges::all_of(parts_, [](const StepPart& part) { return part.token_count == 1; });
}

void Engine::take_failed_step(MonoNanos now) {
    metrics_->failed_steps.add();
    const Error why(ErrorCode::device_failed, step_result_.error().detail);
    ++failures_in_a_row_;
    if (failed()) {
        turn_away(why);
        return end_all(why, now);
    }
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        Sequence* const sequence = parts_[i].sequence;
        if (sequence == nullptr) continue;
        if (sequence->began_again) {
            finish(sequence->place, FinishReason::error, why, now);
        } else {
            sequence->begin_again();
        }
    }
}

void Engine::take_row(StepPart part, const StepOutput::Row& row, MonoNanos now) {
    Sequence& sequence = *part.sequence;
    const std::uint32_t prompt_left =
        sequence.prompt_count - std::min(sequence.prompt_count, sequence.computed);
    metrics_->prompt_tokens.add(std::min(part.token_count, prompt_left));
    ++sequence.step_count;
    sequence.computed += part.token_count;
    if (row.failed)
        return finish(sequence.place, FinishReason::error,
                      Error(*row.failed, "its numbers are not finite"), now);
    if (sequence.computed < sequence.tokens.size()) return;
    switch (sequence.request.kind) {
        case RequestKind::generate:
            return take_token(sequence.place, row.token, now);
        case RequestKind::embed:
            return take_embedding(sequence.place, row.values, now);
        case RequestKind::classify:
            return take_logits(sequence.place, row.values, now);
    }
}

bool Engine::ends_answer(TokenId token) const noexcept {
    const auto& ends = backend_->model().end_tokens;
    return std::ranges::find(ends, token) != ends.end();
}

void Engine::take_token(Place place, TokenId token, MonoNanos now) {
    Sequence& sequence = *places_[place];
    if (token >= backend_->model().vocabulary_size)
        return finish(place, FinishReason::error,
                      Error(ErrorCode::inference_failed, "no token could be drawn"), now);
    metrics_->answer_tokens.add();
    if (++sequence.answer_count == 1) sequence.first_token = now;
    sequence.began_again = false;
    if (ends_answer(token)) return finish(place, FinishReason::stop, ErrorCode::ok, now);
    sequence.tokens.push_back(token);
    if (sequence.answer_count == sequence.request.max_tokens)
        return finish(place, FinishReason::length, ErrorCode::ok, now);
    if (sequence.tokens.size() >= context_tokens_)
        return finish(place, FinishReason::context, ErrorCode::ok, now);
}

void Engine::take_embedding(Place place, std::span<const float> values, MonoNanos now) {
    const auto is_finite = [](float value) { return std::isfinite(value); };
    if (values.empty() || !std::ranges::all_of(values, is_finite))
        return finish(place, FinishReason::error,
                      Error(ErrorCode::inference_failed, "the vector is not finite"), now);
    finish(place,
           Answer{.reason = FinishReason::stop,
                  .values = std::vector<float>(values.begin(), values.end())},
           now);
}

void Engine::take_logits(Place place, std::span<const float> values, MonoNanos now) {
    const auto& labels = backend_->model().labels;
    auto probabilities = class_probabilities(values);
    if (!probabilities || probabilities->size() != labels.size())
        return finish(place, FinishReason::error,
                      Error(ErrorCode::inference_failed, "there is no finite number per label"),
                      now);
    const auto best = std::ranges::max_element(*probabilities) - probabilities->begin();
    finish(place,
           Answer{.reason = FinishReason::stop,
                  .values = *std::move(probabilities),
                  .label = labels[static_cast<std::size_t>(best)]},
           now);
}

}  // namespace casc::gpu
