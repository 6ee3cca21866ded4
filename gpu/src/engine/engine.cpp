#include "engine/sequence.hpp"
#include "engine/step_composer.hpp"

#include <casc/gpu/engine.hpp>
#include <casc/types/assert.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace casc::gpu {
namespace {

constexpr double kNewestWeight = 0.1;  // of the steps that the newest answer took
constexpr double kRetryAfterMaxMs = 60'000;

Result<void> check_options(const EngineOptions& options) {
    CASC_TRY_VOID(options.batches.check());
    if (options.prompt_tokens_per_step == 0)
        return Error(ErrorCode::invalid_config, "prompt_tokens_per_step must be at least 1");
    return {};
}

Result<void> check_backend(const Backend& backend, const Tokenizer& tokenizer) {
    const BackendLimits& limits = backend.limits();
    if (limits.slot_count == 0 || limits.context_tokens == 0 || limits.step_tokens_max == 0)
        return Error(ErrorCode::model_unusable, "the backend has no room for a sequence");
    // Fewer are usual: vocabularies are filled up to a round number.
    if (tokenizer.vocabulary_size() > backend.model().vocabulary_size)
        return Error(ErrorCode::model_unusable,
                     "the tokeniser has " + std::to_string(tokenizer.vocabulary_size()) +
                         " tokens, and the model " +
                         std::to_string(backend.model().vocabulary_size));
    return {};
}

// As many sequences as there are slots for and a step can take a token of each: company that could
// not run is not worth waiting for.
BatchPolicy batches_of(const EngineOptions& options, const BackendLimits& limits) {
    BatchPolicy batches = options.batches;
    batches.max_batch =
        std::min<std::size_t>({batches.max_batch, limits.slot_count, limits.step_tokens_max});
    return batches;
}

std::uint64_t nanos(std::chrono::nanoseconds time) noexcept {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

Outcome outcome_of(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::ok:
            return Outcome::ok;
        case ErrorCode::timeout:
            return Outcome::timeout;
        case ErrorCode::cancelled:
            return Outcome::cancelled;
        case ErrorCode::model_overloaded:
        case ErrorCode::shutting_down:
            return Outcome::rejected;
        default:
            return Outcome::error;
    }
}

std::uint32_t context_of(const Backend& backend) {
    return static_cast<std::uint32_t>(
        std::min<std::size_t>(backend.limits().context_tokens, backend.model().context_tokens));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(std::unique_ptr<Backend> backend,
                                             std::shared_ptr<const Tokenizer> tokenizer,
                                             const EngineOptions& options) {
    CASC_TRY_VOID(check_options(options));
    CASC_TRY_VOID(check_backend(*backend, *tokenizer));
    return std::unique_ptr<Engine>(new Engine(std::move(backend), std::move(tokenizer), options));
}

Engine::Engine(std::unique_ptr<Backend> backend, std::shared_ptr<const Tokenizer> tokenizer,
               const EngineOptions& options)
    : backend_(std::move(backend)),
      tokenizer_(std::move(tokenizer)),
      options_(options),
      context_tokens_(context_of(*backend_)),
      batcher_(batches_of(options, backend_->limits())) {
    metrics_->slots = backend_->limits().slot_count;
    metrics_->cache_tokens = metrics_->slots * context_tokens_;
    // The lowest are taken first.
    for (SlotId slot = backend_->limits().slot_count; slot > 0; --slot)
        free_slots_.push_back(slot - 1);
}

Engine::~Engine() = default;

// ---- who comes ----------------------------------------------------------------------------------

void Engine::submit(GenerateRequest&& request, MonoNanos now) {
    const RequestId id = request.id;
    auto submitted = try_submit(request, now);
    note_load();
    if (submitted) return;
    metrics_->of(outcome_of(submitted.error().code)).add();
    Error why = std::move(submitted).error();
    const auto reason =
        why.code == ErrorCode::timeout ? FinishReason::timeout : FinishReason::error;
    outputs_.emplace_back(Answer{.id = id, .reason = reason, .error = std::move(why)});
}

Result<void> Engine::try_submit(GenerateRequest& request, MonoNanos now) {
    if (turns_away_) return *turns_away_;
    CASC_TRY_VOID(check_request(request, backend_->model()));
    if (by_id_.contains(request.id))
        return Error(ErrorCode::invalid_request,
                     "a request with the id " + std::to_string(request.id) + " is under way");
    // Before work is put into who is too late or is going to be turned away.
    if (request.deadline <= now) return Error(ErrorCode::timeout);
    if (auto room = batcher_.check_room(request.lane); !room)
        return with_advice(std::move(room).error());
    auto sequence = std::make_unique<Sequence>();
    CASC_TRY(sequence->tokens,
             take_prompt(request, *tokenizer_, backend_->model(), context_tokens_));
    sequence->prompt_count = static_cast<std::uint32_t>(sequence->tokens.size());
    sequence->arrived = now;
    const std::vector<std::string> stops = std::move(request.stops);  // the text has its own
    if (request.kind == RequestKind::generate) sequence->text.emplace(*tokenizer_, stops);
    sequence->request = std::move(request);
    return put_in_line(place_for(std::move(sequence)));
}

Engine::Place Engine::place_for(std::unique_ptr<Sequence> sequence) {
    if (free_places_.empty()) {
        free_places_.push_back(static_cast<Place>(places_.size()));
        places_.emplace_back();
    }
    const Place place = free_places_.back();
    free_places_.pop_back();
    sequence->place = place;
    by_id_.emplace(sequence->request.id, place);
    places_[place] = std::move(sequence);
    return place;
}

Result<void> Engine::put_in_line(Place place) {
    const Sequence& sequence = *places_[place];
    auto offered = batcher_.offer({.id = place,
                                   .lane = sequence.request.lane,
                                   .tokens = sequence.prompt_count,
                                   .arrived = sequence.arrived,
                                   .deadline = sequence.request.deadline});
    if (offered) return {};
    remove(place);
    return with_advice(std::move(offered).error());
}

// The batcher thinks in steps, and a place comes free after as many of them as an answer takes.
Error Engine::with_advice(Error error) const {
    const double ms = error.retry_after_ms * std::max(steps_per_request_, 1.0);
    error.retry_after_ms = static_cast<std::uint32_t>(std::min(ms, kRetryAfterMaxMs));
    return error;
}

// ---- who goes -----------------------------------------------------------------------------------

bool Engine::cancel(RequestId id, MonoNanos now) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    const Place place = found->second;
    batcher_.cancel(place);
    finish(place, FinishReason::cancelled, ErrorCode::cancelled, now);
    return true;
}

void Engine::end_all(const Error& why, MonoNanos now) {
    for (Place place = 0; place < places_.size(); ++place) {
        if (!places_[place]) continue;
        batcher_.cancel(place);
        finish(place, FinishReason::error, why, now);
    }
}

void Engine::finish(Place place, FinishReason reason, Error error, MonoNanos now) {
    finish(place, Answer{.reason = reason, .error = std::move(error)}, now);
}

void Engine::finish(Place place, Answer&& answer, MonoNanos now) {
    Sequence& sequence = *places_[place];
    if (sequence.text) {
        sequence.read_new_tokens();
        // It was complete with its last step, which nobody had read yet.
        if (sequence.text->stopped()) answer = {.reason = FinishReason::stop_string};
        sequence.text->finish();
        // The last of its characters may have made one complete.
        if (answer.error.code == ErrorCode::ok && sequence.text->stopped())
            answer.reason = FinishReason::stop_string;
        if (sequence.request.streams) hand_out_text(sequence);
        answer.text = sequence.text->take();
    }
    answer.id = sequence.request.id;
    answer.prompt_tokens = sequence.prompt_count;
    answer.answer_tokens = sequence.answer_count;
    answer.times = sequence.times(now);
    count_answer(sequence, answer, now);
    outputs_.emplace_back(std::move(answer));
    if (sequence.slot) give_up_slot(sequence);
    remove(place);
    note_load();
}

void Engine::count_answer(const Sequence& sequence, const Answer& answer, MonoNanos now) {
    const Outcome outcome = outcome_of(answer.error.code);
    metrics_->of(outcome).add();
    if (outcome != Outcome::ok) return;
    metrics_->request.record(nanos(answer.times.total));
    if (sequence.answer_count == 0) return;
    metrics_->first_token.record(nanos(answer.times.first_token));
    const std::uint64_t more = sequence.answer_count - 1;
    if (more == 0) return;
    const auto growing = static_cast<std::uint64_t>((now - sequence.first_token).value());
    metrics_->per_token.record(growing / more, more);
}

void Engine::note_load() {
    metrics_->running.set(running_.size());
    for (const Lane lane : kLanes)
        metrics_->waiting[static_cast<std::size_t>(lane)].set(batcher_.waiting().size(lane));
}

void Engine::hand_out_text(Sequence& sequence) {
    std::string text = sequence.text->take();
    if (!text.empty()) outputs_.emplace_back(TextPiece{sequence.request.id, std::move(text)});
}

void Engine::give_up_slot(Sequence& sequence) {
    free_slots_.push_back(*sequence.slot);
    const std::uint64_t cached = metrics_->cached_tokens.value();
    metrics_->cached_tokens.set(cached - std::min<std::uint64_t>(cached, sequence.computed));
    std::erase(running_, &sequence);
    if (step_is_under_way_)
        for (StepPart& part : parts_)
            if (part.sequence == &sequence) part.sequence = nullptr;
    const double steps = sequence.step_count;
    steps_per_request_ = steps_per_request_ == 0
                             ? steps
                             : steps_per_request_ + kNewestWeight * (steps - steps_per_request_);
}

void Engine::remove(Place place) {
    by_id_.erase(places_[place]->request.id);
    places_[place].reset();
    free_places_.push_back(place);
}

void Engine::take_outputs(std::vector<EngineOutput>& outputs) {
    outputs.clear();
    outputs.swap(outputs_);
}

}  // namespace casc::gpu
