#include "responder_impl.hpp"

#include "event_input.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>

namespace casc::client {
namespace {

// Requests in flight between the threads; what is beyond waits in the port, within open_max.
constexpr std::size_t kCallItems = 4096;
// Answers that take longer than this do not wait for the next one.
constexpr std::chrono::microseconds kQuick{50};
// So much is sent in any case: the broker works on it while the next ones are being answered.
constexpr std::size_t kHeldBytesMax = 4_KiB;

}  // namespace

ResponderImpl::ResponderImpl(std::shared_ptr<Core> core, std::uint32_t serve_id,
                             ServeOptions options)
    : ResponderImpl(std::move(core), serve_id, std::move(options),
                    std::make_shared<ring::Waker>()) {}

ResponderImpl::ResponderImpl(std::shared_ptr<Core> core, std::uint32_t serve_id,
                             ServeOptions options, std::shared_ptr<ring::Waker> waker)
    : ResponderImpl(std::move(core), serve_id, std::move(options), waker,
                    ring::make_ring<InboxItem>(kCallItems, waker)) {}

ResponderImpl::ResponderImpl(std::shared_ptr<Core> core, std::uint32_t serve_id,
                             ServeOptions options, std::shared_ptr<ring::Waker> waker,
                             ring::Ring<InboxItem> inbox)
    : core_(std::move(core)),
      serve_id_(serve_id),
      options_(std::move(options)),
      waker_(std::move(waker)),
      port_(std::make_shared<ResponderPort>(core_, serve_id, options_.open_max,
                                            std::move(inbox.producer))),
      inbox_(std::move(inbox.consumer)),
      backoff_(core_->options().backoff_first, core_->options().backoff_max, serve_id) {
    core_->attach(port_);
}

ResponderImpl::~ResponderImpl() {
    if (!closed_) static_cast<void>(close());
}

// ---- serving ------------------------------------------------------------------------------------

Result<void> ResponderImpl::open() {
    if (core_->has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    const auto until = Steady::now() + core_->options().request_timeout;
    for (;;) {
        take_news();
        if (auto error = next_error()) return std::move(*error);
        if (serving_) return {};
        if (Steady::now() >= until)
            return Error(ErrorCode::timeout, "serving '" + options_.subject + "'");
        wait_for_news(until);
    }
}

void ResponderImpl::serve() {
    serve_at_ = Steady::time_point::max();
    if (connection_ == 0 || stopped_ || closed_) return;
    served_on_ = connection_;
    wire::fb::ServeT request;
    request.subject = options_.subject;
    request.serve_id = serve_id_;
    request.open_max = options_.open_max;
    port_->send(connection_, wire::Api::serve, encoded(request),
                [connection = connection_](InboxPort& port, const Result<Reply>& reply) {
                    Notice notice{.kind = Notice::Kind::joined, .connection = connection};
                    if (!reply) notice.why = reply.error();
                    port.tell(std::move(notice));
                });
}

void ResponderImpl::serve_failed(const Error& why) {
    serve_at_ = Steady::now() + backoff_.next();
    // An earlier request whose answer we have not heard.
    if (why.code == ErrorCode::already_subscribed) return stop_serving();
    if (!error_info(why.code).retryable) errors_.push_back(why);
}

void ResponderImpl::stop_serving() {
    wire::fb::StopServingT request;
    request.serve_id = serve_id_;
    port_->send(connection_, wire::Api::stop_serving, encoded(request),
                [](InboxPort&, const Result<Reply>&) {});
}

std::optional<Error> ResponderImpl::next_error() {
    if (errors_.empty()) return ended_;
    Error why = std::move(errors_.front());
    errors_.erase(errors_.begin());
    return why;
}

// ---- news ---------------------------------------------------------------------------------------

void ResponderImpl::take_news() {
    std::size_t calls = 0;
    while (auto item = inbox_.try_pop()) {
        if (item->notice) {
            handle(*item->notice);
        } else {
            take_call(*item);
            ++calls;
        }
    }
    if (calls != 0) port_->took(calls);
    if (serve_at_ <= Steady::now()) serve();
}

void ResponderImpl::take_call(InboxItem& item) {
    const wire::fb::Call& call = *item.call;
    const auto deadline = Steady::now() + milliseconds(call.remaining_ms());
    {
        const std::lock_guard lock(mutex_);
        open_.insert_or_assign(call.call(), Open{deadline,
                                                 static_cast<std::int64_t>(std::min<std::uint64_t>(
                                                     call.credit_bytes(), 1ull << 62)),
                                                 call.credit_bytes() != 0});
    }
    calls_.push_back(std::move(item));
}

void ResponderImpl::handle(Notice& notice) {
    switch (notice.kind) {
        case Notice::Kind::connected: {
            std::unique_lock lock(mutex_);
            connection_ = notice.connection;
            lock.unlock();
            return serve();
        }
        case Notice::Kind::disconnected:
            serving_ = false;
            serve_at_ = Steady::time_point::max();
            return lose_everything();
        case Notice::Kind::joined:
            if (notice.connection != connection_) return;
            if (notice.why) return serve_failed(*notice.why);
            serving_ = true;
            return backoff_.reset();
        case Notice::Kind::call_cancelled:
            return cancelled(notice.call, notice.why->code);
        case Notice::Kind::call_credit: {
            const std::lock_guard lock(mutex_);
            const auto found = open_.find(notice.call);
            if (found == open_.end()) return;
            const auto room = std::numeric_limits<std::int64_t>::max() / 2;
            const auto bytes = static_cast<std::int64_t>(
                std::min<std::uint64_t>(notice.bytes, static_cast<std::uint64_t>(room)));
            found->second.credit_bytes = std::min(found->second.credit_bytes, room) + bytes;
            return;
        }
        case Notice::Kind::closed:
            serving_ = false;
            ended_ = notice.why;
            return lose_everything();
        case Notice::Kind::failed:
            return errors_.push_back(std::move(*notice.why));
        case Notice::Kind::tapped:
        case Notice::Kind::matched:
        case Notice::Kind::assignment:  // others'
        case Notice::Kind::committed:
        case Notice::Kind::settled:
        case Notice::Kind::left:
            return;
    }
}

void ResponderImpl::cancelled(std::uint64_t call, ErrorCode why) {
    {
        const std::lock_guard lock(mutex_);
        if (open_.erase(call) == 0) return;
    }
    // One that was not handed out is nobody's business.
    const auto waiting = std::find_if(calls_.begin(), calls_.end(), [&](const InboxItem& item) {
        return item.call->call() == call;
    });
    if (waiting != calls_.end()) {
        calls_.erase(waiting);
    } else if (options_.on_cancelled) {
        options_.on_cancelled({call}, why);
    }
}

void ResponderImpl::lose_everything() {
    decltype(open_) lost;
    {
        const std::lock_guard lock(mutex_);
        connection_ = 0;
        lost.swap(open_);
    }
    for (const InboxItem& item : calls_)
        lost.erase(item.call->call());
    calls_.clear();
    if (!options_.on_cancelled) return;
    for (const auto& [call, open] : lost)
        options_.on_cancelled({call}, ErrorCode::call_ended);
}

void ResponderImpl::wait_for_news(Steady::time_point until) {
    const auto wake = std::min(until, serve_at_);
    if (wake > Steady::now() &&
        core_->drive([&] { port_->send_held(); }, [&] { return inbox_.ready(); }, wake))
        return;
    port_->send_held();
    const auto limit =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(wake - Steady::now()));
    port_->wait(*waker_, inbox_, limit);
}

void ResponderImpl::when_ready(std::function<void()> done) {
    auto shared = std::make_shared<std::function<void()>>(std::move(done));
    port_->when_ready([shared] { (*shared)(); });
    // What had come before the callback was set announced itself to nobody.
    if ((!calls_.empty() || !errors_.empty() || inbox_.ready()) && port_->forget_ready())
        (*shared)();
}

// ---- requests -----------------------------------------------------------------------------------

Result<std::span<const ReceivedRequest>> ResponderImpl::poll(std::size_t max_requests,
                                                             milliseconds timeout) {
    if (closed_) return Error(ErrorCode::cancelled, "the responder is closed");
    if (max_requests == 0) return Error(ErrorCode::invalid_request, "max_requests must not be 0");
    if (core_->has_turn() && timeout > milliseconds(0))
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    const auto until = Steady::now() + timeout;
    handed_out_.clear();
    batches_.release();
    for (;;) {
        take_news();
        if (auto error = next_error()) return std::move(*error);
        hand_out(max_requests);
        if (!handed_out_.empty()) return std::span<const ReceivedRequest>(handed_out_);
        if (Steady::now() >= until) {
            port_->send_held();
            return std::span<const ReceivedRequest>();
        }
        wait_for_news(until);
    }
}

void ResponderImpl::hand_out(std::size_t max_requests) {
    while (handed_out_.size() < max_requests && !calls_.empty()) {
        InboxItem item = std::move(calls_.front());
        calls_.pop_front();
        const std::uint64_t call = item.call->call();
        const auto view = batches_.check(item.batches);
        const auto payloads =
            view ? batches_.open(*view) : Result<std::span<const std::byte>>(view.error());
        if (!payloads || view->event_count() != 1) {
            const auto why = payloads ? ErrorCode::batch_malformed : payloads.error().code;
            static_cast<void>(fail({call}, {why, "the request did not arrive whole"}));
            batches_.finish_batch(item.batches);
            continue;
        }
        batches_.hand_out({{}, options_.subject, {}, *view, *payloads, 0, 1}, item.buffer);
        batches_.finish_batch(item.batches);
        const std::lock_guard lock(mutex_);
        const auto open = open_.find(call);
        if (open == open_.end()) continue;
        handed_out_.push_back(
            {{call}, view->event(0, *payloads), open->second.deadline, open->second.takes_parts});
    }
    const std::lock_guard lock(mutex_);
    polling_ = std::this_thread::get_id();
    unanswered_ = handed_out_.size();
    last_answer_ = Steady::now();
}

bool ResponderImpl::is_open(CallId call) const {
    const std::lock_guard lock(mutex_);
    return open_.contains(call.value);
}

std::size_t ResponderImpl::open_count() const {
    const std::lock_guard lock(mutex_);
    return open_.size();
}

// ---- answers ------------------------------------------------------------------------------------

Result<std::span<const std::byte>> ResponderImpl::encode(const Event& event) {
    CASC_TRY_VOID(wire::check_event(input_of(event)));
    builder_.reset(event.lane);
    builder_.add(input_of(event), wall_now());
    return std::span<const std::byte>(builder_.finish({}, batch_));
}

Result<void> ResponderImpl::answer(CallId call, const Event& event) {
    const std::lock_guard lock(mutex_);
    if (!open_.contains(call.value)) return ErrorCode::call_ended;
    CASC_TRY(const auto batch, encode(event));
    open_.erase(call.value);
    say(call.value, /*more=*/false, batch, nullptr);
    return {};
}

Result<void> ResponderImpl::fail(CallId call, const Error& why) {
    if (why.code == ErrorCode::ok) return Error(ErrorCode::invalid_request, "ok is no failure");
    const std::lock_guard lock(mutex_);
    if (open_.erase(call.value) == 0) return ErrorCode::call_ended;
    say(call.value, /*more=*/false, {}, &why);
    return {};
}

Result<void> ResponderImpl::try_part(CallId call, const Event& event) {
    const std::lock_guard lock(mutex_);
    const auto open = open_.find(call.value);
    if (open == open_.end()) return ErrorCode::call_ended;
    if (!open->second.takes_parts)
        return Error(ErrorCode::not_supported, "the requester takes no parts");
    if (open->second.credit_bytes <= 0)
        return Error(ErrorCode::queue_full, "the requester has not taken the parts before");
    CASC_TRY(const auto batch, encode(event));
    open->second.credit_bytes -= static_cast<std::int64_t>(batch.size());
    say(call.value, /*more=*/true, batch, nullptr);
    return {};
}

Result<void> ResponderImpl::part(CallId call, const Event& event) {
    for (;;) {
        auto said = try_part(call, event);
        if (said || said.error().code != ErrorCode::queue_full) return said;
        if (core_->has_turn())
            return Error(ErrorCode::invalid_request,
                         "a waiting call from the client's own callback");
        take_news();
        std::unique_lock lock(mutex_);
        const auto open = open_.find(call.value);
        if (open == open_.end()) return ErrorCode::call_ended;
        if (open->second.credit_bytes > 0) continue;
        const auto deadline = open->second.deadline;
        lock.unlock();
        if (Steady::now() >= deadline) return ErrorCode::call_ended;
        wait_for_news(deadline);
    }
}

// With mutex_ held.
void ResponderImpl::say(std::uint64_t call, bool more, std::span<const std::byte> batch,
                        const Error* error) {
    const auto body = encoder_.build([&](flatbuffers::FlatBufferBuilder& builder) {
        if (error == nullptr) return wire::fb::CreateAnswer(builder, call, more);
        const auto message = builder.CreateString(error->detail);
        return wire::fb::CreateAnswer(builder, call, false, static_cast<std::uint16_t>(error->code),
                                      message, error->retry_after_ms, error->fallback_available);
    });
    std::array<std::byte, 256> small;
    std::vector<std::byte> large;
    std::span<std::byte> frame(small);
    if (wire::framed_bytes(body.size()) > small.size()) {
        large.resize(wire::framed_bytes(body.size()));
        frame = large;
    }
    const std::size_t framed = wire::write_frame(frame, wire::FrameKind::one_way, wire::Api::answer,
                                                 0, body, batch.size());
    const auto now = Steady::now();
    const std::size_t held = port_->hold(connection_, frame.first(framed), batch, now);
    const bool was_quick = now - std::exchange(last_answer_, now) < kQuick;
    if (!more && unanswered_ != 0) --unanswered_;
    // The polling thread will be back soon, or the I/O thread looks after it; any other thread may
    // have nothing more to say.
    const bool may_wait = was_quick && unanswered_ != 0 && held < kHeldBytesMax &&
                          polling_ == std::this_thread::get_id() && core_->is_shared(now);
    if (!may_wait) port_->send_held();
}

void ResponderImpl::flush() {
    port_->send_held();
}

// In close() once more after stop(): with the broker's answer all is written that was held.
Result<void> ResponderImpl::stop() {
    stopped_ = true;
    // Also when the broker has not answered yet: else it would go on sending requests to nobody.
    if (connection_ == 0 || served_on_ != connection_) return {};
    if (core_->is_closed() || core_->has_turn()) {
        stop_serving();
        return {};
    }
    wire::fb::StopServingT request;
    request.serve_id = serve_id_;
    auto stopped = blocking_call(*core_, request);
    if (!stopped && stopped.error().code != ErrorCode::unknown_subscription)
        return std::move(stopped).error();
    return {};
}

Result<void> ResponderImpl::close() {
    if (closed_) return {};
    std::vector<std::uint64_t> left;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [call, open] : open_)
            left.push_back(call);
    }
    for (const std::uint64_t call : left) {
        static_cast<void>(fail({call}, {ErrorCode::responder_lost, "the responder was closed"}));
        if (options_.on_cancelled) options_.on_cancelled({call}, ErrorCode::call_ended);
    }
    port_->send_held();
    Result<void> outcome = stop();
    closed_ = true;
    handed_out_.clear();
    batches_.release();
    calls_.clear();
    core_->detach(port_);
    return outcome;
}

}  // namespace casc::client
