#include "service_loop.hpp"

#include "bytes.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace casc::inference {
namespace {

constexpr std::size_t kTakeMax = 64;
// Leases are renewed, and lost connections noticed, inside poll().
constexpr std::chrono::milliseconds kLookAgain{100};
// A ring does not tell its writer that there is room.
constexpr std::chrono::milliseconds kLookForRoom{1};

// An event's time counts from when it was appended, by the wall clock; what is left of it by ours.
MonoNanos deadline_of(const wire::EventView& event, std::chrono::milliseconds timeout) {
    const std::chrono::nanoseconds age((wall_now() - event.append_time).value());
    std::chrono::nanoseconds left = timeout - age;
    if (event.time_to_live_ms != 0)
        left = std::min<std::chrono::nanoseconds>(
            left, std::chrono::milliseconds(event.time_to_live_ms) - age);
    return mono_now() + left;
}

MonoNanos deadline_of(std::chrono::steady_clock::time_point deadline) {
    return MonoNanos(
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count());
}

AnsweredBy answered_by(const ServiceOptions& options, const gpu::Backend& backend) {
    return {.model = options.model.name,
            .version = options.model.version,
            .backend = std::string(backend.name()),
            .memory_bytes = options.memory_bytes,
            .is_fallback = false,
            .labels = backend.model().labels};
}

void count(std::atomic<std::uint64_t>& counter, std::uint64_t more = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

}  // namespace

ServiceLoop::ServiceLoop(const ServiceOptions& options, std::unique_ptr<gpu::Engine> engine)
    : options_(options),
      by_(answered_by(options, engine->backend())),
      stage_(std::move(engine), {}, waker_),
      links_(stage_.take_links()) {}

Result<std::unique_ptr<ServiceLoop>> ServiceLoop::make(const ServiceOptions& options,
                                                       client::Client& client,
                                                       std::unique_ptr<gpu::Engine> engine) {
    std::unique_ptr<ServiceLoop> loop(new ServiceLoop(options, std::move(engine)));
    if (!options.topic.empty()) {
        CASC_TRY(loop->events_, EventRequests::open(client, options.topic, options.group,
                                                    options.results, options.events_max));
    }
    if (!options.subject.empty()) {
        client::ServeOptions serve{.subject = options.subject,
                                   .open_max = static_cast<std::uint32_t>(options.calls_max)};
        serve.on_cancelled = [loop = loop.get()](client::CallId call, ErrorCode) {
            loop->cancel(call);
        };
        CASC_TRY(loop->calls_, client.serve(std::move(serve)));
    }
    return loop;
}

ServiceCounts ServiceLoop::counts() const noexcept {
    const auto read = [](const std::atomic<std::uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    return {read(counts_.events), read(counts_.calls),   read(counts_.answers),
            read(counts_.errors), read(counts_.commits), read(counts_.failed_commits)};
}

std::optional<Error> ServiceLoop::failure() const {
    const std::lock_guard lock(failure_mutex_);
    return failure_;
}

void ServiceLoop::stop() noexcept {
    stops_.store(true, std::memory_order_seq_cst);
    waker_->wake();
}

void ServiceLoop::run() {
    while (!stops_.load(std::memory_order_seq_cst)) {
        bool is_busy = send_commands();
        is_busy |= take_events();
        is_busy |= take_calls();
        is_busy |= take_outputs();
        is_busy |= commit();
        if (!is_busy) sleep();
    }
    wind_up();
    if (const auto why = failure(); why && options_.on_failure) options_.on_failure(*why);
}

// ---- requests in -----------------------------------------------------------------------------

// Answers that cannot be written count, too: then requests wait in the log.
std::size_t ServiceLoop::event_room() const noexcept {
    const std::size_t held = pending_.event_count() + events_->finished_count();
    return options_.events_max - std::min(held, options_.events_max);
}

bool ServiceLoop::take_events() {
    if (!events_ || is_full() || event_room() == 0) return false;
    if (!news_->events.exchange(false, std::memory_order_seq_cst) && watches_events_) return false;
    watches_events_ = false;
    const auto events = events_->take(std::min(event_room(), kTakeMax));
    // Of events that cannot be read the queue tells the group itself; a lost connection comes back.
    if (!events || events->empty()) return false;
    for (const client::ConsumedEvent event : *events)
        take_event(event);
    return true;
}

void ServiceLoop::take_event(const client::ConsumedEvent& consumed) {
    count(counts_.events);
    const wire::EventView& event = consumed.event;
    FromEvent from{.id = consumed.id(),
                   .key = {},
                   .has_key = event.key.has_value(),
                   .correlation_id = std::string(event.correlation_id)};
    if (event.key) from.key = text_of(*event.key);
    auto asked = parse_request(text_of(event.payload));
    Pending pending{.from = std::move(from),
                    .request_id = asked ? asked->request_id : request_id_of(text_of(event.payload)),
                    .kind = asked ? asked->request.kind : gpu::RequestKind::generate,
                    .lane = event.lane};
    if (!asked) return refuse(std::move(pending), asked.error());
    const MonoNanos deadline = deadline_of(event, asked->timeout.value_or(options_.timeout));
    ask(std::move(pending), std::move(*asked), deadline);
}

bool ServiceLoop::take_calls() {
    if (!calls_ || is_full()) return false;
    if (!news_->calls.exchange(false, std::memory_order_seq_cst) && watches_calls_) return false;
    watches_calls_ = false;
    const auto calls = calls_->poll(kTakeMax, std::chrono::milliseconds(0));
    if (!calls || calls->empty()) return false;
    for (const client::ReceivedRequest& call : *calls)
        take_call(call);
    return true;
}

bool ServiceLoop::take_waiting_calls() {
    news_->calls.store(true, std::memory_order_seq_cst);
    return take_calls();
}

void ServiceLoop::take_call(const client::ReceivedRequest& call) {
    count(counts_.calls);
    auto asked = parse_request(text_of(call.event.payload));
    Pending pending{.from = FromCall{call.id, call.takes_parts},
                    .request_id = asked ? asked->request_id : std::string(),
                    .kind = asked ? asked->request.kind : gpu::RequestKind::generate,
                    .lane = asked && asked->lane ? *asked->lane : call.event.lane};
    if (!asked) return refuse(std::move(pending), asked.error());
    if (!call.takes_parts) asked->request.streams = false;
    MonoNanos deadline = deadline_of(call.deadline);
    if (asked->timeout) deadline = std::min(deadline, mono_now() + *asked->timeout);
    ask(std::move(pending), std::move(*asked), deadline);
}

void ServiceLoop::ask(Pending pending, AskedOfModel asked, MonoNanos deadline) {
    if (!asked.model.empty() && asked.model != options_.model.name) {
        const Error error(ErrorCode::model_not_found, "another model is asked for than '" +
                                                          options_.model.name + "', which is here");
        return refuse(std::move(pending), error);
    }
    const bool is_event = std::holds_alternative<FromEvent>(pending.from);
    gpu::GenerateRequest request = std::move(asked.request);
    request.lane = pending.lane;
    request.deadline = deadline;
    if (is_event) request.streams = false;
    request.id = pending_.add(std::move(pending));
    unsent_.emplace_back(std::move(request));
    static_cast<void>(send_commands());
}

bool ServiceLoop::send_commands() {
    bool sent = false;
    while (!unsent_.empty() && links_.commands[0].try_push(std::move(unsent_.front()))) {
        unsent_.pop_front();
        sent = true;
    }
    return sent;
}

// Nobody waits for it any more. Its number may soon be another call's: one of the next broker's.
void ServiceLoop::cancel(client::CallId call) {
    const gpu::RequestId id = pending_.of_call(call);
    if (id == 0) return;
    static_cast<void>(pending_.take(id));
    unsent_.emplace_back(gpu::CancelRequest{id});
}

// The device is of no use any more. Were we to go on, we would take one request after the other,
// faster than any service that works, and answer each with this error.
void ServiceLoop::fail(const Error& why) {
    {
        const std::lock_guard lock(failure_mutex_);
        if (std::exchange(failure_, why)) return;
    }
    stop();
}

// ---- answers out -----------------------------------------------------------------------------

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
        refuse(pending_.take(piece.id),
               {ErrorCode::overloaded, "the parts of the answer were not taken quickly enough"});
    }
}

void ServiceLoop::take_answer(gpu::Answer&& answer) {
    if (answer.error.code == ErrorCode::device_failed && stage_.has_failed()) fail(answer.error);
    if (pending_.find(answer.id) == nullptr) return;  // it was refused since
    Pending pending = pending_.take(answer.id);
    if (answer.error.code != ErrorCode::ok) return refuse(std::move(pending), answer.error);
    count(counts_.answers);
    hand_out(std::move(pending), answer);
}

void ServiceLoop::hand_out(Pending&& pending, const gpu::Answer& answer) {
    std::string payload = answer_json(pending.request_id, pending.kind, answer, by_, wall_now());
    if (auto* event = std::get_if<FromEvent>(&pending.from))
        return events_->finish({std::move(*event), pending.lane, std::move(payload)});
    static_cast<void>(
        calls_->answer(std::get<FromCall>(pending.from).id, {.payload = bytes_of(payload)}));
}

void ServiceLoop::refuse(Pending&& pending, const Error& error) {
    count(counts_.errors);
    if (auto* event = std::get_if<FromEvent>(&pending.from)) {
        // Nobody is told that we end, or have no room: another service, or we later, will answer
        // it. Not for ever where the device has failed: that may be because of this one.
        if (error.code == ErrorCode::shutting_down) return events_->release(*event);
        if (error.code == ErrorCode::model_overloaded || has_failed())
            return events_->again_later(*event, error);
        return events_->finish(
            {std::move(*event), pending.lane,
             error_json(pending.request_id, error, /*has_fallback=*/false, wall_now())});
    }
    static_cast<void>(calls_->fail(std::get<FromCall>(pending.from).id, error));
}

bool ServiceLoop::commit() {
    if (!events_ || !events_->is_due()) return false;
    const auto committed = events_->commit();
    count(committed ? counts_.commits : counts_.failed_commits);
    return true;
}

// ---- sleeping and ending ---------------------------------------------------------------------

void ServiceLoop::watch_sources() {
    const auto watch = [this](bool& watches, std::atomic<bool> News::*flag, auto& source) {
        if (std::exchange(watches, true)) return;
        source.when_ready([news = news_, waker = waker_, flag] {
            (news.get()->*flag).store(true, std::memory_order_seq_cst);
            waker->wake();
        });
    };
    if (events_) watch(watches_events_, &News::events, *events_);
    if (calls_) watch(watches_calls_, &News::calls, *calls_);
}

bool ServiceLoop::has_news() {
    const bool has_room = !is_full() && events_ && event_room() != 0;
    return links_.outputs.ready() || stops_.load(std::memory_order_seq_cst) ||
           (has_room && news_->events.load(std::memory_order_seq_cst)) ||
           (calls_ && !is_full() && news_->calls.load(std::memory_order_seq_cst));
}

void ServiceLoop::sleep() {
    watch_sources();
    // While the stage's ring is full its answers wake us.
    waker_->wait([this] { return has_news(); }, kLookAgain);
    // Also without news now and then: poll() has times of its own.
    news_->events.store(true, std::memory_order_seq_cst);
    news_->calls.store(true, std::memory_order_seq_cst);
}

void ServiceLoop::wind_up() {
    // Others are asked from now on; what had come before is still ours.
    if (calls_) static_cast<void>(calls_->stop());
    const auto until = std::chrono::steady_clock::now() + options_.close_linger;
    while (std::chrono::steady_clock::now() < until) {
        static_cast<void>(send_commands());
        static_cast<void>(take_outputs());
        if (!take_waiting_calls() && !is_full()) break;
        if (is_full()) waker_->wait([this] { return links_.outputs.ready(); }, kLookForRoom);
    }
    stage_.close(gpu::Unfinished::answered);
    bool has_handed_back = false;
    while (pending_.size() != 0 || (events_ && events_->finished_count() != 0)) {
        static_cast<void>(send_commands());
        static_cast<void>(take_waiting_calls());  // which also tells what became of those we have
        if (!take_outputs() && !commit())
            waker_->wait([this] { return links_.outputs.ready(); }, kLookAgain);
        if (!has_handed_back && std::chrono::steady_clock::now() >= until) {
            has_handed_back = true;
            stage_.close(gpu::Unfinished::handed_back);
        }
        // What cannot be written by then somebody else computes again.
        if (has_handed_back && events_ && !events_->is_due()) events_->release_finished();
    }
    links_.commands[0].close();
    if (calls_) static_cast<void>(calls_->close());
    if (events_) events_->close();
}

}  // namespace casc::inference
