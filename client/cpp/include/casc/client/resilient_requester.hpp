#pragma once
// casc/client/resilient_requester.hpp: requests with a circuit breaker, retries and a second choice
// around them.
//
//   ResilientRequester llm(*client, {.subject = "llm.local", .second_subject = "llm.cloud"});
//   const auto answer = llm.request({.payload = prompt}, 10s);

#include <casc/client/answer.hpp>
#include <casc/client/circuit_breaker.hpp>
#include <casc/client/fallback.hpp>
#include <casc/client/producer.hpp>
#include <casc/client/retry.hpp>

#include <atomic>
#include <functional>
#include <string>

namespace casc::client {

class Client;

struct ResilienceOptions {
    std::string subject{};
    std::string second_subject{};     // empty: no second choice
    CircuitBreakerOptions breaker{};  // of `subject`
    RetryOptions retry{};
    FallbackOptions fallback{};
};

// What it needs of the world, so that a test can be the world.
struct ResilienceWorld {
    std::function<Result<Answer>(std::string_view subject, const Event& event,
                                 milliseconds timeout)>
        ask;
    std::function<std::chrono::steady_clock::time_point()> now;
    std::function<void(milliseconds)> sleep;
};

// Thread:   any; request() waits, so not in a callback of the client.
// Lifetime: the client must outlive it.
class ResilientRequester {
public:
    struct Counters {
        std::uint64_t requests = 0;
        std::uint64_t answers = 0;
        std::uint64_t attempts = 0;  // that were sent
        std::uint64_t retries = 0;
        std::uint64_t second_choice = 0;  // attempts that went there
        std::uint64_t refused = 0;        // attempts that the breaker did not let through
    };

    ResilientRequester(Client& client, ResilienceOptions options);
    ResilientRequester(ResilienceOptions options, ResilienceWorld world);

    // Asks until there is an answer, it is not worth it any more, or `timeout` is over. Fails with
    // what the last attempt said, circuit_open included.
    [[nodiscard]] Result<Answer> request(const Event& event, milliseconds timeout);

    [[nodiscard]] CircuitBreaker& breaker() noexcept { return breaker_; }
    [[nodiscard]] Fallback& fallback() noexcept { return fallback_; }
    [[nodiscard]] Counters counters() const;

private:
    [[nodiscard]] Result<Answer> attempt(const Event& event, milliseconds left);
    [[nodiscard]] Result<Answer> ask_first(const Event& event, milliseconds left);

    const ResilienceOptions options_;
    const ResilienceWorld world_;
    CircuitBreaker breaker_;
    Fallback fallback_;
    std::atomic<std::uint64_t> requests_{0}, answers_{0}, attempts_{0}, retries_{0},
        second_choice_{0}, refused_{0};
};

}  // namespace casc::client
