#include "fallback_chain.hpp"

#include "bytes.hpp"

#include <casc/client/circuit_breaker.hpp>
#include <casc/inference/request_json.hpp>

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <utility>

namespace casc::inference {
namespace {

using Steady = std::chrono::steady_clock;

std::string named(const FallbackChoice& who) {
    return "fallback '" + who.subject + "'" + (who.endpoint.empty() ? "" : " at " + who.endpoint);
}

}  // namespace

class FallbackChain::Impl : public std::enable_shared_from_this<Impl> {
public:
    Impl(const FallbackSettings& settings, std::string model, client::Client& here,
         client::ClientOptions elsewhere, std::shared_ptr<ring::Waker> waker)
        : model_(std::move(model)),
          here_(here),
          elsewhere_(std::move(elsewhere)),
          waker_(std::move(waker)) {
        for (const FallbackChoice& who : settings.choices)
            choices_.emplace_back(who);
    }

    void ask(ToPassOn request) { push({.request = std::move(request)}); }

    [[nodiscard]] std::vector<PassedOn> take() {
        const std::lock_guard lock(mutex_);
        is_ready_.store(false, std::memory_order_relaxed);
        return std::exchange(answered_, {});
    }
    [[nodiscard]] bool ready() const noexcept { return is_ready_.load(std::memory_order_seq_cst); }

    // The chain's thread, until stop().
    void run() {
        for (;;) {
            std::unique_lock lock(mutex_);
            has_work_.wait(lock, [this] { return stops_ || !work_.empty(); });
            if (stops_) break;
            OnItsWay next = std::move(work_.front());
            work_.pop_front();
            lock.unlock();
            advance(std::move(next));
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
    // One of the chain, and how it did.
    struct Choice {
        explicit Choice(FallbackChoice choice) : who(std::move(choice)) {}
        FallbackChoice who;
        client::CircuitBreaker breaker;
        std::unique_ptr<client::Client> elsewhere;
    };
    // A request on its way along the chain.
    struct OnItsWay {
        ToPassOn request;
        std::size_t next = 0;  // of the choices
        client::CircuitBreaker::Pass pass{};
        Error trouble{ErrorCode::no_responders};
        std::optional<Result<std::string>> said{};  // by the one before `next`
    };

    void push(OnItsWay work) {
        const std::lock_guard lock(mutex_);
        if (stops_) return;
        work_.push_back(std::move(work));
        has_work_.notify_one();
    }

    void advance(OnItsWay work) {
        if (work.said) {
            Choice& choice = choices_[work.next - 1];
            auto answer = checked(choice, work);
            choice.breaker.record(work.pass, answer ? ErrorCode::ok : answer.error().code,
                                  Steady::now());
            if (answer) return finish(work.request.id, std::move(answer));
            work.trouble = answer.error();
        }
        while (work.next < choices_.size()) {
            Choice& choice = choices_[work.next++];
            const auto pass = choice.breaker.admit(Steady::now());
            if (!pass) {
                work.trouble = about(choice, pass.error());
                continue;
            }
            work.pass = *pass;
            const auto client = client_of(choice);
            if (client) return send(**client, choice, std::move(work));
            choice.breaker.record(work.pass, client.error().code, Steady::now());
            work.trouble = about(choice, client.error());
        }
        finish(work.request.id, work.trouble);
    }

    // What it said, made an answer of ours.
    [[nodiscard]] static Result<std::string> checked(const Choice& choice, const OnItsWay& work) {
        const Result<std::string>& said = *work.said;
        if (!said) return about(choice, said.error());
        auto answer = answer_of_fallback(*said, work.request.request_id);
        if (!answer) return about(choice, answer.error());
        return answer;
    }

    [[nodiscard]] Result<client::Client*> client_of(Choice& choice) {
        if (choice.who.endpoint.empty()) return &here_;
        if (!choice.elsewhere) {
            client::ClientOptions connecting = elsewhere_;
            connecting.client_id = "casc-fallback " + model_;
            connecting.endpoints = {choice.who.endpoint};
            CASC_TRY(choice.elsewhere, client::Client::connect(connecting));
        }
        return choice.elsewhere.get();
    }

    void send(client::Client& client, const Choice& choice, OnItsWay work) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(work.request.deadline - Steady::now());
        if (left.count() <= 0) return finish(work.request.id, ErrorCode::timeout);
        const auto shared = std::make_shared<OnItsWay>(std::move(work));
        const std::array headers{wire::HeaderInput{.name = kFallbackHeader, .value = model_}};
        client::Event event{.payload = bytes_of(shared->request.request)};
        event.lane = shared->request.lane;
        event.headers = headers;
        client.request_async(choice.who.subject, event, left,
                             [self = shared_from_this(), shared](Result<client::Answer> answer) {
                                 shared->said =
                                     answer ? Result<std::string>(std::string(answer->text()))
                                            : Result<std::string>(answer.error());
                                 self->push(std::move(*shared));
                             });
    }

    [[nodiscard]] static Error about(const Choice& choice, Error why) {
        why.detail = named(choice.who) + ": " + why.message();
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

    const std::string model_;
    client::Client& here_;
    const client::ClientOptions elsewhere_;
    const std::shared_ptr<ring::Waker> waker_;
    std::deque<Choice> choices_;  // owned by the chain's thread; a breaker does not move
    std::atomic<bool> is_ready_{false};
    // Of any thread, with the mutex.
    std::mutex mutex_;
    std::condition_variable has_work_;
    std::deque<OnItsWay> work_;
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
bool FallbackChain::ready() const noexcept {
    return impl_->ready();
}

}  // namespace casc::inference
