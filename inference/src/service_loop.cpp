#include "service_loop.hpp"

#include "bytes.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace casc::inference {
namespace {

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
            .labels = backend.model().labels};
}

bool is_passed_on(const wire::EventView& event) {
    wire::HeaderCursor headers(event.headers);
    std::string_view name;
    std::string_view value;
    while (headers.next(name, value))
        if (name == kFallbackHeader) return true;
    return false;
}

}  // namespace

ServiceLoop::ServiceLoop(const ServiceOptions& options, std::unique_ptr<gpu::Engine> engine)
    : options_(options),
      by_(answered_by(options, engine->backend())),
      stage_(std::move(engine), {}, waker_),
      links_(stage_.take_links()),
      health_(options.fallback) {}

Result<std::unique_ptr<ServiceLoop>> ServiceLoop::make(const ServiceOptions& options,
                                                       client::Client& client,
                                                       std::unique_ptr<gpu::Engine> engine) {
    std::unique_ptr<ServiceLoop> loop(new ServiceLoop(options, std::move(engine)));
    if (!options.topic.empty()) {
        CASC_TRY(loop->events_, EventRequests::open(client, options.topic, options.group,
                                                    options.results, options.events_max));
    }
    if (!options.fallback.choices.empty())
        loop->fallback_ = std::make_unique<FallbackChain>(options.fallback, options.model.name,
                                                          client, options.client, loop->waker_);
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
    return {read(counts_.events),        read(counts_.calls),  read(counts_.answers),
            read(counts_.fallbacks),     read(counts_.errors), read(counts_.commits),
            read(counts_.failed_commits)};
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
        is_busy |= take_passed_on();
        is_busy |= commit();
        if (!is_busy) sleep();
    }
    wind_up();
    const auto why = failure();
    if (why && !fallback_ && options_.on_failure) options_.on_failure(*why);
}

// ---- requests in -----------------------------------------------------------------------------

// Answers that cannot be written count, too: then requests wait in the log.
std::size_t ServiceLoop::event_room() const {
    // Nobody could answer them now.
    if (health_.is_given_up() && fallback_ && !fallback_->can_ask()) return 0;
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
    add_one(counts_.events);
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
    pending.deadline = deadline_of(event, asked->timeout.value_or(options_.timeout));
    if (fallback_ && !is_passed_on(event)) pending.for_others = text_of(event.payload);
    ask(std::move(pending), std::move(*asked));
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
    add_one(counts_.calls);
    auto asked = parse_request(text_of(call.event.payload));
    Pending pending{.from = FromCall{call.id, call.takes_parts},
                    .request_id = asked ? asked->request_id : std::string(),
                    .kind = asked ? asked->request.kind : gpu::RequestKind::generate,
                    .lane = asked && asked->lane ? *asked->lane : call.event.lane};
    if (!asked) return refuse(std::move(pending), asked.error());
    pending.streams = asked->request.streams && call.takes_parts;
    pending.deadline = deadline_of(call.deadline);
    if (asked->timeout) pending.deadline = std::min(pending.deadline, mono_now() + *asked->timeout);
    if (fallback_ && !is_passed_on(call.event)) pending.for_others = text_of(call.event.payload);
    ask(std::move(pending), std::move(*asked));
}

void ServiceLoop::ask(Pending pending, AskedOfModel asked) {
    if (!asked.model.empty() && asked.model != options_.model.name) {
        const Error error(ErrorCode::model_not_found, "another model is asked for than '" +
                                                          options_.model.name + "', which is here");
        return refuse(std::move(pending), error);
    }
    if (pending.deadline <= mono_now()) {
        if (health_.is_given_up()) return refuse(std::move(pending), ErrorCode::timeout);
        pending.for_others.clear();  // who is late by himself says nothing of the model
    }
    if (!pending.for_others.empty()) {
        pending.asked = ask_model();
        if (!pending.asked && hands_back_)
            return refuse(std::move(pending), Error(ErrorCode::shutting_down));
        if (!pending.asked) return pass_on(pending_.add(std::move(pending)));
    }
    gpu::GenerateRequest request = std::move(asked.request);
    request.lane = pending.lane;
    request.deadline = pending.deadline;
    request.streams = pending.streams;
    request.id = pending_.add(std::move(pending));
    unsent_.emplace_back(std::move(request));
    static_cast<void>(send_commands());
}

// Nothing: others are to be asked. While none of them would, the model is better than nobody.
std::optional<ModelHealth::Asked> ServiceLoop::ask_model() {
    const auto now = std::chrono::steady_clock::now();
    auto asked = health_.ask(now);
    if (!asked && !health_.is_given_up() && !fallback_->can_ask()) return health_.ask_anyway(now);
    return asked;
}

bool ServiceLoop::send_commands() {
    bool sent = false;
    while (!unsent_.empty() && links_.commands[0].try_push(std::move(unsent_.front()))) {
        unsent_.pop_front();
        sent = true;
    }
    return sent;
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
    return links_.outputs.ready() || (fallback_ && fallback_->ready()) ||
           stops_.load(std::memory_order_seq_cst) ||
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
    while (pending_.size() != 0 || (events_ && events_->finished_count() != 0)) {
        static_cast<void>(send_commands());
        static_cast<void>(take_waiting_calls());  // which also tells what became of those we have
        if (!take_outputs() && !take_passed_on() && !commit())
            waker_->wait(
                [this] { return links_.outputs.ready() || (fallback_ && fallback_->ready()); },
                kLookAgain);
        if (!hands_back_ && std::chrono::steady_clock::now() >= until) {
            hands_back_ = true;
            stage_.close(gpu::Unfinished::handed_back);
            hand_back_passed_on();
        }
        // What cannot be written by then somebody else computes again.
        if (hands_back_ && events_ && !events_->is_due()) events_->release_finished();
    }
    links_.commands[0].close();
    if (calls_) static_cast<void>(calls_->close());
    if (events_) events_->close();
}

}  // namespace casc::inference
