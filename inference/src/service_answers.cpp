// The part of a service that gives answers out: its model's, or those of others that are asked in
// its place.
#include "bytes.hpp"
#include "service_loop.hpp"

#include <casc/types/clock.hpp>

#include <utility>

namespace casc::inference {
namespace {

// Another model may do better with the same request.
bool is_for_others(ErrorCode why) {
    return why == ErrorCode::device_failed || why == ErrorCode::inference_failed;
}

std::chrono::steady_clock::time_point steady(MonoNanos time) {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(time.value()));
}

}  // namespace

bool ServiceLoop::take_outputs() {
    const std::size_t taken = links_.outputs.drain(
        [this](gpu::EngineOutput&& output) { take_output(std::move(output)); }, kTakeMax);
    if (taken != 0 && calls_) calls_->flush();
    return taken != 0;
}

void ServiceLoop::take_output(gpu::EngineOutput&& output) {
    if (auto* answer = std::get_if<gpu::Answer>(&output)) return take_answer(std::move(*answer));
    const auto& piece = std::get<gpu::TextPiece>(output);
    const Pending* const pending = pending_.find(piece.id);
    if (pending == nullptr) return;
    const std::string payload = piece_json(piece.text);
    const auto call = std::get<FromCall>(pending->from).id;
    // Who takes its parts too slowly does not hold up everybody else.
    if (const auto sent = calls_->try_part(call, {.payload = bytes_of(payload)});
        !sent && sent.error().code == ErrorCode::queue_full) {
        unsent_.emplace_back(gpu::CancelRequest{piece.id});
        refuse(take(piece.id, ErrorCode::overloaded),
               {ErrorCode::overloaded, "the parts of the answer were not taken quickly enough"});
    }
}

void ServiceLoop::take_answer(gpu::Answer&& answer) {
    if (answer.error.code == ErrorCode::device_failed && stage_.has_failed()) fail(answer.error);
    Pending* const pending = pending_.find(answer.id);
    if (pending == nullptr) return;  // it was refused since
    const ErrorCode outcome = answer.error.code;
    judge(*pending, outcome);
    // Whoever has read half of an answer cannot go on with another one's.
    const bool has_begun = pending->streams && answer.answer_tokens != 0;
    if (!has_begun && is_for_others(outcome) && may_pass_on(*pending)) return pass_on(answer.id);
    if (outcome != ErrorCode::ok) return refuse(pending_.take(answer.id), std::move(answer.error));
    add_one(counts_.answers);
    std::string payload = answer_json(pending->request_id, pending->kind, answer, by_, wall_now());
    hand_out(pending_.take(answer.id), std::move(payload));
}

void ServiceLoop::hand_out(Pending&& pending, std::string payload) {
    if (auto* event = std::get_if<FromEvent>(&pending.from))
        return events_->finish(
            {std::move(*event), pending.lane, std::move(payload), std::move(pending.request_id)});
    const auto call = std::get<FromCall>(pending.from).id;
    // One that is too large for an event, say.
    if (const auto said = calls_->answer(call, {.payload = bytes_of(payload)}); !said)
        static_cast<void>(calls_->fail(call, said.error()));
}

void ServiceLoop::refuse(Pending&& pending, Error error) {
    add_one(counts_.errors);
    error.fallback_available |= error.code == ErrorCode::model_overloaded && may_pass_on(pending);
    if (auto* event = std::get_if<FromEvent>(&pending.from)) {
        // Nobody is told that we end, or have no room: another service, or we later, will answer
        // it. Not for ever where the device has failed: that may be because of this one.
        const bool ends_by_itself = has_failed() && !fallback_;
        if (error.code == ErrorCode::shutting_down) return events_->release(*event);
        if (error.code == ErrorCode::model_overloaded || ends_by_itself)
            return events_->again_later(*event, error);
        return answer_event(std::move(*event), pending, error);
    }
    static_cast<void>(calls_->fail(std::get<FromCall>(pending.from).id, error));
}

void ServiceLoop::answer_event(FromEvent&& event, const Pending& pending, const Error& error) {
    events_->finish({std::move(event), pending.lane,
                     error_json(pending.request_id, error, wall_now()), pending.request_id});
}

// ---- others in its place ---------------------------------------------------------------------

bool ServiceLoop::may_pass_on(const Pending& pending) const {
    return fallback_ && !pending.for_others.empty() && !hands_back_;
}

void ServiceLoop::pass_on(gpu::RequestId id) {
    Pending& pending = *pending_.find(id);
    // Once: who is asked now is the last one.
    auto request = request_for_others(std::exchange(pending.for_others, {}));
    if (!request) return refuse(pending_.take(id), request.error());
    fallback_->ask({.id = id,
                    .request = std::move(*request),
                    .request_id = pending.request_id,
                    .lane = pending.lane,
                    .deadline = steady(pending.deadline)});
    pending.is_passed_on = true;
}

bool ServiceLoop::take_passed_on() {
    if (!fallback_ || !fallback_->ready()) return false;
    for (PassedOn& one : fallback_->take()) {
        const Pending* const pending = pending_.find(one.id);
        if (pending == nullptr) continue;  // nobody waits for it any more
        if (!one.answer) {
            refuse_passed_on(pending_.take(one.id), one.answer.error());
            continue;
        }
        add_one(counts_.fallbacks);
        if (pending->streams) send_text_ahead(*pending, *one.answer);
        hand_out(pending_.take(one.id), std::move(*one.answer));
    }
    if (calls_) calls_->flush();
    return true;
}

// Nobody has answered. What may be different later is asked again then, as often as the group's
// settings say, if it is an event's and its time is not over.
void ServiceLoop::refuse_passed_on(Pending&& pending, const Error& why) {
    auto* const event = std::get_if<FromEvent>(&pending.from);
    if (event == nullptr) return refuse(std::move(pending), why);
    add_one(counts_.errors);
    if (stops_.load(std::memory_order_relaxed)) return events_->release(*event);
    const bool may_pass = error_info(why.code).retryable && why.code != ErrorCode::timeout &&
                          pending.deadline > mono_now();
    if (may_pass) return events_->again_later(*event, why);
    answer_event(std::move(*event), pending, why);
}

// In one piece; who has no room for it has the text in the answer.
void ServiceLoop::send_text_ahead(const Pending& pending, std::string& answer) {
    auto parts = in_parts(answer);
    if (!parts) return;
    const std::string text = piece_json(parts->text);
    if (calls_->try_part(std::get<FromCall>(pending.from).id, {.payload = bytes_of(text)}))
        answer = std::move(parts->rest);
}

void ServiceLoop::hand_back_passed_on() {
    for (const gpu::RequestId id :
         pending_.ids_of([](const Pending& pending) { return pending.is_passed_on; })) {
        fallback_->forget(id);
        refuse(pending_.take(id), Error(ErrorCode::shutting_down));
    }
}

// The model is done with a request; only then health has heard of everything it let through.
void ServiceLoop::judge(Pending& pending, ErrorCode outcome) {
    if (!pending.asked) return;
    health_.record(*pending.asked, outcome, std::chrono::steady_clock::now());
    pending.asked.reset();
}

Pending ServiceLoop::take(gpu::RequestId id, ErrorCode outcome) {
    Pending pending = pending_.take(id);
    judge(pending, outcome);
    return pending;
}

// ---- ends ------------------------------------------------------------------------------------

bool ServiceLoop::commit() {
    if (!events_ || !events_->is_due()) return false;
    const auto committed = events_->commit();
    add_one(committed ? counts_.commits : counts_.failed_commits);
    return true;
}

// Nobody waits for it any more. Its number may soon be another call's: one of the next broker's.
void ServiceLoop::cancel(client::CallId call) {
    const gpu::RequestId id = pending_.of_call(call);
    if (id == 0) return;
    const Pending gone = take(id, ErrorCode::cancelled);
    if (gone.is_passed_on) return fallback_->forget(id);
    unsent_.emplace_back(gpu::CancelRequest{id});
}

// The device is of no use any more. Were we to go on without anybody else to ask, we would take one
// request after the other, faster than any service that works, and answer each with this error.
void ServiceLoop::fail(const Error& why) {
    {
        const std::lock_guard lock(failure_mutex_);
        if (std::exchange(failure_, why)) return;
    }
    health_.give_up();
    if (!fallback_) return stop();
    if (options_.on_failure) options_.on_failure(why);
}

}  // namespace casc::inference
