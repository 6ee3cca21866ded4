#pragma once
// inference/src/service_loop.hpp: what a service's thread does: carries requests from the broker to
// the stage and answers back, and sleeps when there is nothing to carry.

#include "event_requests.hpp"
#include "fallback_chain.hpp"
#include "model_health.hpp"
#include "pending_requests.hpp"

#include <casc/gpu/stage.hpp>
#include <casc/inference/model_service.hpp>
#include <casc/inference/request_json.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

namespace casc::inference {

// Written by the service's thread, read by any.
struct SharedCounts {
    std::atomic<std::uint64_t> events{0};
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> answers{0};
    std::atomic<std::uint64_t> fallbacks{0};
    std::atomic<std::uint64_t> errors{0};
    std::atomic<std::uint64_t> commits{0};
    std::atomic<std::uint64_t> failed_commits{0};
};

inline void add_one(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// Thread:   made by one, run() by the service's, the others any.
// Lifetime: the client must outlive it.
class ServiceLoop {
public:
    [[nodiscard]] static Result<std::unique_ptr<ServiceLoop>> make(
        const ServiceOptions& options, client::Client& client, std::unique_ptr<gpu::Engine> engine);

    // Until stop(), and then until all is answered or close_linger is over.
    void run();
    void stop() noexcept;
    [[nodiscard]] ServiceCounts counts() const noexcept;
    [[nodiscard]] std::shared_ptr<const gpu::EngineMetrics> metrics() const noexcept {
        return stage_.metrics();
    }
    [[nodiscard]] std::optional<Error> failure() const;

private:
    ServiceLoop(const ServiceOptions& options, std::unique_ptr<gpu::Engine> engine);

    static constexpr std::size_t kTakeMax = 64;  // of one source, before the others' turn

    // Each returns whether there was anything.
    bool take_events();
    bool take_calls();
    bool take_waiting_calls();
    bool take_outputs();
    bool take_passed_on();
    bool send_commands();
    bool commit();
    void take_event(const client::ConsumedEvent& event);
    void take_call(const client::ReceivedRequest& call);
    void ask(Pending pending, AskedOfModel asked);
    void take_output(gpu::EngineOutput&& output);
    void take_answer(gpu::Answer&& answer);
    void hand_out(Pending&& pending, std::string payload);
    void refuse(Pending&& pending, Error error);
    void answer_event(FromEvent&& event, const Pending& pending, const Error& error);
    void cancel(client::CallId call);
    void fail(const Error& why);
    // The model is done with it.
    void judge(Pending& pending, ErrorCode outcome);
    Pending take(gpu::RequestId id, ErrorCode outcome);
    [[nodiscard]] bool may_pass_on(const Pending& pending) const;
    [[nodiscard]] std::optional<ModelHealth::Asked> ask_model();
    void pass_on(gpu::RequestId id);
    void refuse_passed_on(Pending&& pending, const Error& why);
    void send_text_ahead(const Pending& pending, std::string& answer);
    void hand_back_passed_on();

    void watch_sources();
    void sleep();
    void wind_up();
    [[nodiscard]] bool has_news();
    [[nodiscard]] std::size_t event_room() const;
    [[nodiscard]] bool has_failed() const { return failure().has_value(); }
    [[nodiscard]] bool is_full() const noexcept { return !unsent_.empty(); }

    // Fixed after construction.
    const ServiceOptions options_;
    const AnsweredBy by_;
    const std::shared_ptr<ring::Waker> waker_ = std::make_shared<ring::Waker>();
    gpu::Stage stage_;
    gpu::StageLinks links_;
    // Owned by the service's thread.
    PendingRequests pending_;
    std::deque<gpu::StageCommand> unsent_;  // the stage's ring was full
    std::unique_ptr<EventRequests> events_;
    ModelHealth health_;
    std::unique_ptr<FallbackChain> fallback_;  // null: nobody else is asked
    bool hands_back_ = false;                  // what is not answered by now is not to be
    std::optional<client::Responder> calls_;   // its callbacks use the above
    bool watches_events_ = false;
    bool watches_calls_ = false;
    SharedCounts counts_;
    // Set by whoever has news, cleared by the service's thread. Shared with callbacks that may
    // outlive us.
    struct News {
        std::atomic<bool> events{true};
        std::atomic<bool> calls{true};
    };
    const std::shared_ptr<News> news_ = std::make_shared<News>();
    std::atomic<bool> stops_{false};
    // Of any thread.
    mutable std::mutex failure_mutex_;
    std::optional<Error> failure_;
};

}  // namespace casc::inference
