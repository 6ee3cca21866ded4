#include "core.hpp"

#include "request_port.hpp"

#include <pthread.h>
#include <random>

namespace casc::client {

Result<std::shared_ptr<Core>> Core::start(ClientOptions options) {
    std::vector<Endpoint> endpoints;
    for (const std::string& text : options.endpoints) {
        CASC_TRY(Endpoint endpoint, parse_endpoint(text));
        endpoints.push_back(std::move(endpoint));
    }
    if (endpoints.empty()) return Error(ErrorCode::invalid_config, "no endpoint is given");

    auto core = std::make_shared<Core>(std::move(options), std::move(endpoints));
    core->request_port_ = std::make_shared<RequestPort>(*core);
    core->participants_.push_back(core->request_port_);
    auto started = core->started_.get_future();
    core->thread_ = std::thread([raw = core.get()] { raw->run(); });
    if (auto outcome = started.get(); !outcome) {
        core->close();
        return std::move(outcome).error();
    }
    return core;
}

Core::Core(ClientOptions options, std::vector<Endpoint> endpoints)
    : options_(std::move(options)),
      endpoints_(std::move(endpoints)),
      waker_(std::make_shared<ring::Waker>()),
      work_(context_.get_executor()),
      wakeups_(context_, waker_->fd()),
      buffers_(std::make_shared<ReceiveBufferPool>()),
      backoff_(options_.backoff_first, options_.backoff_max, std::random_device{}()),
      reconnect_timer_(timers_),
      probe_timer_(timers_),
      deadline_timer_(timers_) {}

Core::~Core() {
    close();
    wakeups_.release();  // the descriptor is the waker's
}

RequestPort& Core::requests() noexcept {
    return *request_port_;
}

// ---- from other threads -------------------------------------------------------------------------

bool Core::post(std::function<void()> work) {
    const std::lock_guard lock(close_mutex_);
    if (is_closed()) return false;
    asio::post(context_, std::move(work));
    tell_posted();
    return true;
}

void Core::request(wire::Api api, std::vector<std::byte> body, std::optional<milliseconds> deadline,
                   ReplyCallback done, std::vector<std::byte> attachments) {
    const auto until =
        std::chrono::steady_clock::now() + deadline.value_or(options_.request_timeout);
    if (requests_.fetch_add(1, std::memory_order_relaxed) >= kRequestsMax) {
        requests_.fetch_sub(1, std::memory_order_relaxed);
        return done(Error(ErrorCode::queue_full, "too many requests wait for an answer"));
    }
    auto counted = [this, done](Result<Reply> reply) {
        requests_.fetch_sub(1, std::memory_order_relaxed);
        done(std::move(reply));
    };
    auto request = std::make_shared<Unsent>(
        Unsent{api, std::move(body), counted, until, std::move(attachments)});
    if (wire::only_reads(api)) request->done = once_more(*request);
    if (!post([this, request] { send(std::move(*request)); }))
        counted(Error(ErrorCode::cancelled, "the client is closed"));
}

ReplyCallback Core::once_more(Unsent request) {
    return [this, request = std::make_shared<Unsent>(std::move(request))](Result<Reply> reply) {
        if (reply || reply.error().code != ErrorCode::connection_closed)
            return request->done(std::move(reply));
        send(std::move(*request));
    };
}

void Core::attach(std::shared_ptr<Participant> participant) {
    post([this, participant] {
        participants_.push_back(participant);
        if (link() != nullptr) participant->connected();
    });
}

void Core::detach(const std::shared_ptr<Participant>& participant) {
    const auto remove = [this, participant] { std::erase(participants_, participant); };
    if (has_turn()) return remove();
    const auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    if (post([remove, done] {
            remove();
            done->set_value();
        }))
        future.wait();
}

void Core::close() {
    {
        const std::lock_guard lock(close_mutex_);
        if (!is_closed()) {
            asio::post(context_, [this] { stopping_ = true; });
            tell_posted();
            closed_.store(true, std::memory_order_release);
        }
    }
    CASC_ASSERT(!has_turn());
    if (thread_.joinable()) thread_.join();
}

void Core::stop_everything() {
    const Error why(ErrorCode::cancelled, "the client is closed");
    if (link_) link_->close();
    if (probe_) probe_->close();
    calls_.fail_all(why);
    for (Unsent& request : unsent_)
        request.done(why);
    unsent_.clear();
    for (const auto& participant : std::exchange(participants_, {}))
        participant->shut_down();
    settle_start(why);
    reconnect_timer_.cancel();
    probe_timer_.cancel();
    deadline_timer_.cancel();
    // What was posted before closed_ was set still runs, so that every request is answered; then
    // the cancelled handlers let go of their links.
    wakeups_.cancel();
    work_.reset();
    context_.run();
    calls_.fail_all(why);
    for (Unsent& request : std::exchange(unsent_, {}))
        request.done(why);
    for (const auto& participant : std::exchange(participants_, {}))
        participant->shut_down();
    if (last_endpoint_.empty()) return;
    for (const Endpoint& endpoint : endpoints_)
        if (endpoint.text == last_endpoint_) return report(ConnectionEvent::closed, endpoint);
}

// ---- requests -----------------------------------------------------------------------------------

void Core::send(Unsent request) {
    if (stopping_) return request.done(Error(ErrorCode::cancelled, "the client is closed"));
    if (link() == nullptr) {
        const SteadyTime deadline = request.deadline;
        unsent_.push_back(std::move(request));  // bounded by kRequestsMax
        if (!armed_for_ || deadline < *armed_for_) arm_deadline();
        return;
    }
    const std::size_t head_bytes = wire::framed_bytes(request.body.size());
    if (head_bytes + request.attachments.size() > link_->broker().frame_bytes_max &&
        link_->broker().frame_bytes_max != 0)
        return request.done(Error(ErrorCode::frame_too_large, "the broker takes smaller requests"));
    const std::uint32_t id = calls_.add(std::move(request.done), request.deadline);
    std::vector<std::byte> frame(head_bytes);
    wire::write_frame(frame, wire::FrameKind::request, request.api, id, request.body,
                      request.attachments.size());
    frame.insert(frame.end(), request.attachments.begin(), request.attachments.end());
    link_->send(std::move(frame));
    if (!armed_for_ || request.deadline < *armed_for_) arm_deadline();
}

void Core::send_now(wire::Api api, std::span<const std::byte> body, ReplyCallback done) {
    send(Unsent{api,
                {body.begin(), body.end()},
                std::move(done),
                std::chrono::steady_clock::now() + options_.request_timeout});
}

void Core::send_one_way(wire::Api api, std::span<const std::byte> body) {
    if (link() == nullptr) return;
    std::vector<std::byte> frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, wire::FrameKind::one_way, api, 0, body, 0);
    link_->send(std::move(frame));
}

void Core::send_unsent() {
    for (Unsent& request : std::exchange(unsent_, {}))
        send(std::move(request));
}

void Core::arm_deadline() {
    auto next = calls_.next_deadline();
    for (const Unsent& request : unsent_)
        if (!next || request.deadline < *next) next = request.deadline;
    armed_for_ = next;
    if (!next) return;
    deadline_timer_.set_at(*next, [this](const boost::system::error_code& error) {
        if (error) return;  // armed anew, or stopping
        const auto now = std::chrono::steady_clock::now();
        calls_.expire(now);
        std::deque<Unsent> overdue;
        for (auto it = unsent_.begin(); it != unsent_.end();) {
            if (it->deadline > now) {
                ++it;
                continue;
            }
            overdue.push_back(std::move(*it));
            it = unsent_.erase(it);
        }
        for (Unsent& request : overdue)
            request.done(
                Error(ErrorCode::timeout, "no connection to a broker before the deadline"));
        arm_deadline();
    });
}

}  // namespace casc::client
