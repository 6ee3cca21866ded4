#include <casc/client/client.hpp>
#include <casc/client/resilient_requester.hpp>

#include <random>
#include <thread>

namespace casc::client {
namespace {

void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

ResilientRequester::ResilientRequester(Client& client, ResilienceOptions options)
    : ResilientRequester(
          std::move(options),
          {.ask = [&client](
                      std::string_view subject, const Event& event,
                      milliseconds timeout) { return client.request(subject, event, timeout); },
           .now = [] { return std::chrono::steady_clock::now(); },
           .sleep = [](milliseconds pause) { std::this_thread::sleep_for(pause); }}) {}

ResilientRequester::ResilientRequester(ResilienceOptions options, ResilienceWorld world)
    : options_(std::move(options)),
      world_(std::move(world)),
      breaker_(options_.breaker),
      fallback_(options_.fallback) {}

Result<Answer> ResilientRequester::request(const Event& event, milliseconds timeout) {
    count(requests_);
    thread_local std::random_device seed;
    Retry retry(options_.retry, seed());
    const auto deadline = world_.now() + timeout;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - world_.now());
        auto answer = attempt(event, left);
        if (answer) {
            count(answers_);
            return answer;
        }
        const auto pause = retry.next(answer.error(), world_.now(), deadline);
        if (!pause) return answer;
        count(retries_);
        world_.sleep(*pause);
    }
}

Result<Answer> ResilientRequester::attempt(const Event& event, milliseconds left) {
    if (options_.second_subject.empty()) return ask_first(event, left);
    const auto now = world_.now();
    if (fallback_.choose(breaker_.state(now), now) == FallbackReason::none) {
        auto answer = ask_first(event, left);
        // Half open, and others are trying already.
        if (answer || answer.error().code != ErrorCode::circuit_open) return answer;
    }
    count(attempts_);
    count(second_choice_);
    return world_.ask(options_.second_subject, event, left);
}

Result<Answer> ResilientRequester::ask_first(const Event& event, milliseconds left) {
    const auto began = world_.now();
    const auto pass = breaker_.admit(began);
    if (!pass) {
        count(refused_);
        return pass.error();
    }
    count(attempts_);
    auto answer = world_.ask(options_.subject, event, left);
    const auto now = world_.now();
    breaker_.record(*pass, answer ? ErrorCode::ok : answer.error().code, now);
    fallback_.record(answer.has_value(), now - began, now);
    return answer;
}

ResilientRequester::Counters ResilientRequester::counters() const {
    const auto of = [](const std::atomic<std::uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    return {of(requests_), of(answers_),       of(attempts_),
            of(retries_),  of(second_choice_), of(refused_)};
}

}  // namespace casc::client
