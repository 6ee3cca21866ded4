#pragma once
// casc/gpu/engine.hpp: answers requests with one model, many at a time (continuous batching).
//
//   engine->submit(std::move(request), now);
//   const bool steps = engine->begin_step(mono_now());
//   engine->take_outputs(outputs);      // pieces of text, answers; some come without a step
//   if (steps) {
//       engine->await_step(mono_now());
//       engine->end_step(mono_now());
//   } else {
//       wait until engine->look_again(), or for another request
//   }
//
// Requests join and leave between steps. A step computes the next token of every answer that grows
// and parts of the prompts of those that have come (step_composer.hpp). While nothing runs, the
// batcher says how long company is worth waiting for; while something runs, who waits joins as soon
// as there is a slot: it then costs nobody a step.
//
// What a step has come to is made text while the device computes the next one. So a request that
// ends with a stop string is in one step more than it needs, which nobody looks at.
//
// An answer does not depend on its company: a backend computes every sequence for itself, and what
// is drawn depends on the seed and the place in the text alone. So a request has the same text
// alone, in any batch, and when it is computed again.
//
// The device may fail. Of a step that failed all sequences begin again, from their prompts and what
// they have answered, once; if another failure comes before their next token they fail with
// DEVICE_FAILED. Two failed steps in a row are the end: everything fails, and so does every request
// from then on. Numbers that are none fail the one request whose they are, with INFERENCE_FAILED.

#include <casc/gpu/backend.hpp>
#include <casc/gpu/batcher.hpp>
#include <casc/gpu/engine_metrics.hpp>
#include <casc/gpu/generation.hpp>
#include <casc/gpu/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace casc::gpu {

struct Sequence;
struct StepPart;

struct EngineOptions {
    BatchPolicy batches{};
    // Of a step in which answers grow: how long a prompt may hold them up. At least 1.
    std::uint32_t prompt_tokens_per_step = 512;
    // false: a batch begins when all of the one before have their answers, as servers do that know
    // no continuous batching. To compare with.
    bool joins_running = true;
};

// Thread:   one at a time. No clock of its own; the times it is given never go back.
// Lifetime: owns its backend, shares the tokeniser.
class Engine {
public:
    // Fails with: invalid_config (the options), model_unusable (the tokeniser has tokens that the
    // model has not, or the backend has no room for a sequence).
    [[nodiscard]] static Result<std::unique_ptr<Engine>> open(
        std::unique_ptr<Backend> backend, std::shared_ptr<const Tokenizer> tokenizer,
        const EngineOptions& options);
    ~Engine();

    // From here on the request has exactly one answer. At once it has one with an error when it is
    // refused: invalid_request (also when one with its id is under way, whoever submitted that),
    // unknown_lane, model_overloaded (with retry_after_ms), timeout (its deadline has passed),
    // device_failed.
    void submit(GenerateRequest&& request, MonoNanos now);
    // It is answered with `cancelled` and what there is of its text, unless that is complete.
    // False: it is not under way.
    bool cancel(RequestId id, MonoNanos now);
    // Answers everything that is under way with an error, and what there is of the texts.
    void end_all(const Error& why, MonoNanos now);
    // From now on every request that is submitted is refused so; those under way go on.
    void turn_away(const Error& why) { turns_away_ = why; }

    // Answers who is late, gives slots to who waits, launches a step, and makes text of what the
    // one before has come to. True: await_step() and end_step() must be called before the next one.
    // False: there is nothing to compute, until look_again().
    [[nodiscard]] bool begin_step(MonoNanos now);
    // Sleeps until the device has computed the step; or computes it, where there is none: it then
    // begins now.
    void await_step(MonoNanos now);
    // Deals with what the step has come to.
    void end_step(MonoNanos now);
    // After begin_step() was false.
    [[nodiscard]] MonoNanos look_again() const noexcept { return look_again_; }

    // Exchanges `outputs`, which is emptied before, for what has come out since.
    void take_outputs(std::vector<EngineOutput>& outputs);
    [[nodiscard]] bool has_outputs() const noexcept { return !outputs_.empty(); }

    [[nodiscard]] std::size_t running() const noexcept { return running_.size(); }
    [[nodiscard]] std::size_t waiting() const noexcept { return batcher_.waiting().size(); }
    // Slots that a request could have now.
    [[nodiscard]] std::size_t free_slots() const noexcept { return free_slots_.size(); }
    // Two steps in a row have failed.
    [[nodiscard]] bool failed() const noexcept { return failures_in_a_row_ >= kFailuresMax; }
    // May be read by any thread, and outlives the engine.
    [[nodiscard]] std::shared_ptr<const EngineMetrics> metrics() const noexcept { return metrics_; }
    [[nodiscard]] const Backend& backend() const noexcept { return *backend_; }

private:
    // Where a request is kept, and its id for the batcher.
    using Place = std::uint32_t;
    static constexpr unsigned kFailuresMax = 2;

    Engine(std::unique_ptr<Backend> backend, std::shared_ptr<const Tokenizer> tokenizer,
           const EngineOptions& options);

    // engine.cpp: who comes and who goes.
    [[nodiscard]] Result<void> try_submit(GenerateRequest& request, MonoNanos now);
    [[nodiscard]] Place place_for(std::unique_ptr<Sequence> sequence);
    [[nodiscard]] Result<void> put_in_line(Place place);
    void remove(Place place);
    void give_up_slot(Sequence& sequence);
    void hand_out_text(Sequence& sequence);
    void finish(Place place, FinishReason reason, Error error, MonoNanos now);
    void finish(Place place, Answer&& answer, MonoNanos now);
    [[nodiscard]] Error with_advice(Error error) const;
    void count_answer(const Sequence& sequence, const Answer& answer, MonoNanos now);
    void note_load();
    void note_cache();

    // engine_step.cpp: what happens in a step.
    void end_late(MonoNanos now);
    void let_in(MonoNanos now);
    void prepare_step();
    void read_new_tokens(MonoNanos now);
    [[nodiscard]] bool had_no_prompts() const noexcept;
    void count_step(std::chrono::nanoseconds took);
    void take_failed_step(MonoNanos now);
    void take_row(StepPart part, const StepOutput::Row& row, MonoNanos now);
    void take_token(Place place, TokenId token, MonoNanos now);
    void take_embedding(Place place, std::span<const float> values, MonoNanos now);
    void take_logits(Place place, std::span<const float> values, MonoNanos now);
    [[nodiscard]] bool ends_answer(TokenId token) const noexcept;

    // Fixed after construction.
    const std::unique_ptr<Backend> backend_;
    const std::shared_ptr<const Tokenizer> tokenizer_;
    const EngineOptions options_;
    const std::uint32_t context_tokens_;

    // Who is under way.
    Batcher batcher_;
    std::vector<std::unique_ptr<Sequence>> places_;
    std::vector<Place> free_places_;
    std::unordered_map<RequestId, Place> by_id_;
    std::vector<Sequence*> running_;  // in the order in which they got their slots
    std::vector<SlotId> free_slots_;
    double steps_per_request_ = 0;  // of late; 0: not known

    // The step. Memory is used again.
    std::vector<WaitingRequest> joining_;
    std::vector<StepPart> parts_;
    std::vector<SequenceStep> steps_;
    StepOutput step_output_;
    Result<void> step_result_;
    MonoNanos step_began_;
    bool step_is_under_way_ = false;
    bool step_is_over_ = false;  // and end_step() has not been called
    MonoNanos look_again_ = kNoDeadline;
    unsigned failures_in_a_row_ = 0;
    std::optional<Error> turns_away_;

    std::vector<EngineOutput> outputs_;
    const std::shared_ptr<EngineMetrics> metrics_ = std::make_shared<EngineMetrics>();
};

}  // namespace casc::gpu
