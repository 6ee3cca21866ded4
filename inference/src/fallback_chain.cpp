#include "fallback_chain.hpp"

#include "bytes.hpp"
#include "model_health.hpp"

#include <casc/client/circuit_breaker.hpp>
#include <casc/inference/request_json.hpp>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <unordered_map>
#include <utility>

namespace casc::inference {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Everybody else waits meanwhile, and so does who ends.
constexpr milliseconds kConnectPatience{1000};

std::string named(const FallbackChoice& who) {
    return "fallback '" + who.subject + "'" + (who.endpoint.empty() ? "" : " at " + who.endpoint);
}

}  // namespace

class FallbackChain::Impl : public std::enable_shared_from_this<Impl> {
public:
    Impl(const FallbackSettings& settings, std::string model, client::Client& here,
         client::ClientOptions elsewhere, std::shared_ptr<ring::Waker> waker)
        : settings_(settings),
          model_(std::move(model)),
          here_(here),
          elsewhere_(std::move(elsewhere)),
          waker_(std::move(waker)) {
        for (const FallbackChoice& who : settings.choices)
            choices_.emplace_back(who, breaker_of(settings));
    }

    void ask(ToPassOn request) {
        push([this, work = OnItsWay{.request = std::move(request)}]() mutable {
            advance(std::move(work));
        });
    }
    void forget(gpu::RequestId id) {
        push([this, id] {
            const auto asked = asked_.extract(id);
            if (asked) asked.mapped().client->cancel(asked.mapped().request);
        });
    }
    [[nodiscard]] std::vector<PassedOn> take() {
        const std::lock_guard lock(mutex_);
        is_ready_.store(false, std::memory_order_relaxed);
        return std::exchange(answered_, {});
    }
    [[nodiscard]] bool ready() const noexcept { return is_ready_.load(std::memory_order_seq_cst); }
    [[nodiscard]] bool can_ask() const {
        return std::ranges::any_of(choices_, [](const Choice& choice) {
            return choice.breaker.state(Steady::now()) != client::CircuitState::open;
        });
    }

    // The chain's thread, until stop().
    void run() {
        for (;;) {
            std::unique_lock lock(mutex_);
            has_work_.wait(lock, [this] { return stops_ || !work_.empty(); });
            if (stops_) break;
            const Work next = std::move(work_.front());
            work_.pop_front();
            lock.unlock();
            next();
        }
        for (Choice& choice : choices_)
            choice.elsewhere.reset();
    }
    void stop() {
        const std::lock_guard lock(mutex_);
        stops_ = true;
        has_work_.notify_one();
    }

private:
    using Work = std::function<void()>;
    // One of the chain, and how it did.
    struct Choice {
        Choice(FallbackChoice choice, client::CircuitBreakerOptions options)
            : who(std::move(choice)), breaker(std::move(options)) {}
        const FallbackChoice who;
        client::CircuitBreaker breaker;
        std::unique_ptr<client::Client> elsewhere;
    };
    // A request on its way along the chain.
    struct OnItsWay {
        ToPassOn request{};
        std::size_t next = 0;  // of the choices
        client::CircuitBreaker::Pass pass{};
        milliseconds patience{};  // of the one that was asked last
        Error trouble{ErrorCode::no_responders};
    };
    struct UnderWay {
        client::Client* client;
        client::RequestId request;
    };

    void push(Work work) {
        const std::lock_guard lock(mutex_);
        if (stops_) return;
        work_.push_back(std::move(work));
        has_work_.notify_one();
    }

    void advance(OnItsWay work) {
        while (work.next < choices_.size()) {
            const milliseconds left =
                std::chrono::ceil<milliseconds>(work.request.deadline - Steady::now());
            if (left.count() <= 0) {
                work.trouble.code = ErrorCode::timeout;
                break;
            }
            const auto choices_left = static_cast<std::int64_t>(choices_.size() - work.next);
            Choice& choice = choices_[work.next++];
            work.patience = std::max(left / choices_left, milliseconds(1));
            const auto pass = choice.breaker.admit(Steady::now());
            if (!pass) {
                work.trouble = about(choice, pass.error());
                continue;
            }
            work.pass = *pass;
            const auto client = client_of(choice);
            if (client) return send(**client, choice, std::move(work));
            record(choice, work, client.error().code);
            work.trouble = about(choice, client.error());
        }
        finish(work.request.id, work.trouble);
    }

    void take_answer(OnItsWay work, const Result<std::string>& said) {
        Choice& choice = choices_[work.next - 1];
        auto answer = said ? answer_of_fallback(*said, work.request.request_id)
                           : Result<std::string>(said.error());
        record(choice, work, answer ? ErrorCode::ok : answer.error().code);
        // Else nobody waits for it any more.
        if (asked_.erase(work.request.id) == 0) return;
        if (answer) return finish(work.request.id, std::move(answer));
        work.trouble = about(choice, answer.error());
        advance(std::move(work));
    }

    void record(Choice& choice, const OnItsWay& work, ErrorCode outcome) {
        // That our own broker has gone says nothing of whom it would have asked.
        const bool is_ours = choice.who.endpoint.empty() && outcome == ErrorCode::connection_closed;
        const bool is_hurry =
            outcome == ErrorCode::timeout && is_short_time(work.patience, settings_);
        choice.breaker.record(work.pass, is_ours || is_hurry ? ErrorCode::cancelled : outcome,
                              Steady::now());
    }

    // A machine that has no more threads or descriptors says so by exceptions.
    [[nodiscard]] Result<client::Client*> client_of(Choice& choice) {
        if (choice.who.endpoint.empty()) return &here_;
        try {
            if (!choice.elsewhere) {
                CASC_TRY(choice.elsewhere, connect_to(choice.who.endpoint));
            }
        } catch (const std::exception& failure) {
            return Error(ErrorCode::connection_error, failure.what());
        }
        return choice.elsewhere.get();
    }
    [[nodiscard]] Result<std::unique_ptr<client::Client>> connect_to(
        const std::string& endpoint) const {
        client::ClientOptions connecting = elsewhere_;
        connecting.client_id = "casc-fallback " + model_;
        connecting.endpoints = {endpoint};
        connecting.wait_for_broker = false;
        connecting.connect_timeout = std::min(connecting.connect_timeout, kConnectPatience);
        return client::Client::connect(connecting);
    }

    void send(client::Client& client, const Choice& choice, OnItsWay work) {
        const auto shared = std::make_shared<OnItsWay>(std::move(work));
        const std::array headers{wire::HeaderInput{.name = kFallbackHeader, .value = model_}};
        client::Event event{.payload = bytes_of(shared->request.request)};
        event.lane = shared->request.lane;
        event.headers = headers;
        // Before: the answer may come at once.
        UnderWay& under_way = asked_[shared->request.id] = {&client, {}};
        under_way.request = client.request_async(
            choice.who.subject, event, shared->patience,
            [self = shared_from_this(), shared](const Result<client::Answer>& answer) {
                auto said = answer ? Result<std::string>(std::string(answer->text()))
                                   : Result<std::string>(answer.error());
                self->push([self = self.get(), shared, said = std::move(said)] {
                    self->take_answer(std::move(*shared), said);
                });
            });
    }

    [[nodiscard]] static Error about(const Choice& choice, Error why) {
        why.detail = named(choice.who) + (why.detail.empty() ? "" : ": " + why.detail);
        why.fallback_available = false;  // it may have somebody, whom we do not ask
        return why;
    }

    void finish(gpu::RequestId id, Result<std::string> answer) {
        {
            const std::lock_guard lock(mutex_);
            answered_.push_back({id, std::move(answer)});
            is_ready_.store(true, std::memory_order_seq_cst);
        }
        waker_->wake();
    }

    const FallbackSettings settings_;
    const std::string model_;
    client::Client& here_;
    const client::ClientOptions elsewhere_;
    const std::shared_ptr<ring::Waker> waker_;
    // Owned by the chain's thread, but for the breakers, which any may ask.
    std::deque<Choice> choices_;
    std::unordered_map<gpu::RequestId, UnderWay> asked_;
    std::atomic<bool> is_ready_{false};
    // Of any thread, with the mutex.
    std::mutex mutex_;
    std::condition_variable has_work_;
    std::deque<Work> work_;
    std::vector<PassedOn> answered_;
    bool stops_ = false;
};

FallbackChain::FallbackChain(const FallbackSettings& settings, std::string model,
                             client::Client& here, const client::ClientOptions& elsewhere,
                             std::shared_ptr<ring::Waker> waker)
    : impl_(std::make_shared<Impl>(settings, std::move(model), here, elsewhere, std::move(waker))),
      thread_([impl = impl_] {
          ::pthread_setname_np(::pthread_self(), "casc-fallback");
          impl->run();
      }) {}

FallbackChain::~FallbackChain() {
    impl_->stop();
    thread_.join();
}

void FallbackChain::ask(ToPassOn request) {
    impl_->ask(std::move(request));
}
std::vector<PassedOn> FallbackChain::take() {
    return impl_->take();
}
void FallbackChain::forget(gpu::RequestId id) {
    impl_->forget(id);
}
bool FallbackChain::can_ask() const {
    return impl_->can_ask();
}
bool FallbackChain::ready() const noexcept {
    return impl_->ready();
}

}  // namespace casc::inference
