// The circuit breaker, retries and the second choice: each by itself and together, in a time of the
// test's own.

#include <casc/client/resilient_requester.hpp>
#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

using namespace casc;
using namespace casc::client;
using namespace std::chrono_literals;

namespace {

using Time = std::chrono::steady_clock::time_point;

struct BreakerFixture {
    std::vector<std::string> changes;
    CircuitBreaker breaker{{.on_change = [this](CircuitState from, CircuitState to) {
        changes.push_back(std::string(to_string(from)) + " > " + std::string(to_string(to)));
    }}};
    Time now{};

    ErrorCode attempt(ErrorCode outcome) {
        const auto pass = breaker.admit(now);
        if (!pass) return pass.error().code;
        breaker.record(*pass, outcome, now);
        return outcome;
    }
    void fail(int times) {
        for (int i = 0; i < times; ++i)
            CHECK(attempt(ErrorCode::timeout) == ErrorCode::timeout);
    }
};

Answer answer_with(const std::string& text) {
    wire::BatchBuilder builder;
    builder.add_payload(std::as_bytes(std::span(text)), EpochNanos(1));
    std::vector<std::byte> batch;
    builder.finish({}, batch);
    return *Answer::open(batch, 1);
}

// A world in which subjects answer as they are told, each attempt takes a second, and sleep is
// free.
struct WorldFixture {
    Time now{};
    std::vector<std::string> asked;
    std::map<std::string, ErrorCode, std::less<>> outcomes;
    std::vector<milliseconds> pauses;
    milliseconds takes = 1000ms;

    ResilienceWorld world() {
        return {
            .ask = [this](std::string_view subject, const Event&, milliseconds) -> Result<Answer> {
                asked.emplace_back(subject);
                now += takes;
                const auto outcome = outcomes.find(subject);
                if (outcome != outcomes.end() && outcome->second != ErrorCode::ok)
                    return outcome->second;
                return answer_with(std::string(subject));
            },
            .now = [this] { return now; },
            .sleep =
                [this](milliseconds pause) {
                    pauses.push_back(pause);
                    now += pause;
                }};
    }
};

}  // namespace

TEST_CASE_FIXTURE(BreakerFixture, "client/breaker: five failures in a row open it, for a minute") {
    fail(4);
    CHECK(attempt(ErrorCode::ok) == ErrorCode::ok);  // begins the count anew
    fail(5);
    CHECK(breaker.state(now) == CircuitState::open);
    now += 59s;
    const auto refused = breaker.admit(now);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::circuit_open);
    CHECK(refused.error().retry_after_ms == 1000);
    now += 1s;
    CHECK(breaker.state(now) == CircuitState::half_open);
    CHECK(attempt(ErrorCode::ok) == ErrorCode::ok);
    CHECK(breaker.state(now) == CircuitState::half_open);
    CHECK(attempt(ErrorCode::ok) == ErrorCode::ok);
    CHECK(breaker.state(now) == CircuitState::closed);
    CHECK(changes ==
          std::vector<std::string>{"closed > open", "open > half open", "half open > closed"});
    const auto counters = breaker.counters();
    CHECK(counters.admitted == 12);
    CHECK(counters.refused == 1);
    CHECK(counters.successes == 3);
    CHECK(counters.failures == 9);
    CHECK(counters.opened == 1);
}

TEST_CASE_FIXTURE(
    BreakerFixture,
    "client/breaker: half open it lets three through at a time, and one failure opens it again") {
    fail(5);
    now += 60s;
    std::vector<CircuitBreaker::Pass> passes;
    for (int i = 0; i < 3; ++i)
        passes.push_back(*breaker.admit(now));
    CHECK_FALSE(breaker.admit(now));
    breaker.record(passes[0], ErrorCode::ok, now);
    const auto fourth = breaker.admit(now);
    REQUIRE(fourth);
    breaker.record(passes[1], ErrorCode::responder_lost, now);
    CHECK(breaker.state(now) == CircuitState::open);
    // What comes of the others belongs to a time that is over.
    breaker.record(passes[2], ErrorCode::ok, now);
    breaker.record(*fourth, ErrorCode::ok, now);
    CHECK(breaker.state(now) == CircuitState::open);
    now += 60s;
    CHECK(breaker.admit(now));
}

TEST_CASE_FIXTURE(BreakerFixture,
                  "client/breaker: excluded errors count neither way, and free their probe") {
    fail(4);
    CHECK(attempt(ErrorCode::auth_failed) == ErrorCode::auth_failed);
    fail(1);
    CHECK(breaker.state(now) == CircuitState::open);
    now += 60s;
    for (int i = 0; i < 5; ++i)
        CHECK(attempt(ErrorCode::permission_denied) == ErrorCode::permission_denied);
    CHECK(breaker.state(now) == CircuitState::half_open);
    CHECK(breaker.counters().excluded == 6);
}

TEST_CASE_FIXTURE(BreakerFixture,
                  "client/breaker: a failure that began before it opened does not count against "
                  "what comes after") {
    const auto slow = breaker.admit(now);
    fail(5);
    now += 60s;
    CHECK(attempt(ErrorCode::ok) == ErrorCode::ok);
    breaker.record(*slow, ErrorCode::timeout, now);
    CHECK(breaker.state(now) == CircuitState::half_open);
}

TEST_CASE("client/retry: pauses grow by two, up to a bound, with jitter, within the deadline") {
    RetryOptions options;
    options.attempts_max = 10;
    options.jitter = false;
    std::vector<std::uint32_t> told;
    options.on_retry = [&](std::uint32_t attempt, const Error&, milliseconds) {
        told.push_back(attempt);
    };
    const Time now{};
    Retry retry(options, 1);
    for (const auto pause : {1000ms, 2000ms, 4000ms, 8000ms, 16'000ms, 30'000ms, 30'000ms})
        CHECK(retry.next(ErrorCode::timeout, now, now + 1h) == pause);
    CHECK(retry.attempts() == 8);
    CHECK_FALSE(retry.next(ErrorCode::timeout, now, now + 30s));  // it would be over then
    CHECK(retry.next(ErrorCode::timeout, now, now + 31s) == 30'000ms);
    CHECK(retry.next(ErrorCode::timeout, now, now + 31s) == 30'000ms);
    CHECK_FALSE(retry.next(ErrorCode::timeout, now, now + 31s));  // the tenth was the last
    CHECK(told == std::vector<std::uint32_t>{2, 3, 4, 5, 6, 7, 8, 9, 10});

    options.jitter = true;
    bool differs = false;
    for (std::uint64_t seed = 1; seed < 50; ++seed) {
        Retry jittered(options, seed);
        const auto pause = jittered.next(ErrorCode::timeout, now, now + 1h);
        REQUIRE(pause);
        CHECK(*pause >= 500ms);
        CHECK(*pause <= 1000ms);
        Retry other(options, seed + 1);
        differs = differs || pause != other.next(ErrorCode::timeout, now, now + 1h);
    }
    CHECK(differs);
}

TEST_CASE("client/retry: only what is worth it, and not before the time that was advised") {
    const RetryOptions options;
    const Time now{};
    CHECK_FALSE(Retry(options, 1).next(ErrorCode::invalid_request, now, now + 1h));
    CHECK_FALSE(Retry(options, 1).next(ErrorCode::responder_failed, now, now + 1h));
    CHECK(Retry(options, 1).next(ErrorCode::no_responders, now, now + 1h));
    CHECK(Retry(options, 1).next({ErrorCode::overloaded, "", 7000}, now, now + 1h) == 7000ms);
    RetryOptions careful;
    careful.is_worth_it = [](ErrorCode code) { return code == ErrorCode::no_responders; };
    CHECK_FALSE(Retry(careful, 1).next(ErrorCode::responder_lost, now, now + 1h));
    CHECK(Retry(careful, 1).next(ErrorCode::no_responders, now, now + 1h));
}

TEST_CASE("client/fallback: by error rate, by latency, by circuit, and back") {
    std::vector<FallbackReason> told;
    Fallback fallback({.on_change = [&](FallbackReason reason) { told.push_back(reason); }});
    Time now{};
    const auto choose = [&] { return fallback.choose(CircuitState::closed, now); };
    CHECK(choose() == FallbackReason::none);
    for (int i = 0; i < 19; ++i)
        fallback.record(false, 1ms, now);
    CHECK(choose() == FallbackReason::none);  // too few to say
    fallback.record(false, 1ms, now);
    CHECK(choose() == FallbackReason::error_rate);
    CHECK(fallback.error_rate() == 1.0);
    now += 61s;
    CHECK(choose() == FallbackReason::none);  // forgotten, so it is tried again
    for (int i = 0; i < 90; ++i)
        fallback.record(true, 1ms, now);
    for (int i = 0; i < 10; ++i)
        fallback.record(false, 1ms, now);
    CHECK(choose() == FallbackReason::none);  // a tenth is not more than a tenth
    fallback.record(false, 1ms, now);
    CHECK(choose() == FallbackReason::error_rate);
    for (int i = 0; i < 200; ++i)
        fallback.record(true, i < 2 ? 6s : 1s, now);
    CHECK(choose() == FallbackReason::none);  // one in a hundred may be slow
    CHECK(fallback.latency_p99() == 1s);
    for (int i = 0; i < 3; ++i)
        fallback.record(true, 6s, now);
    CHECK(choose() == FallbackReason::latency);
    CHECK(fallback.choose(CircuitState::open, now) == FallbackReason::circuit_open);
    CHECK(told == std::vector<FallbackReason>{
                      FallbackReason::error_rate, FallbackReason::none, FallbackReason::error_rate,
                      FallbackReason::none, FallbackReason::latency, FallbackReason::circuit_open});
    CHECK(fallback.counters().changes == 6);
}

TEST_CASE_FIXTURE(
    WorldFixture,
    "client/resilience: what fails is tried three times, then the answer is its error") {
    ResilientRequester requester({.subject = "s", .retry = {.jitter = false}}, world());
    outcomes["s"] = ErrorCode::no_responders;
    const auto answer = requester.request({}, 1min);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::no_responders);
    CHECK(asked.size() == 3);
    CHECK(pauses == std::vector<milliseconds>{1000ms, 2000ms});
    outcomes["s"] = ErrorCode::ok;
    CHECK(requester.request({}, 1min)->text() == "s");
    const auto counters = requester.counters();
    CHECK(counters.requests == 2);
    CHECK(counters.answers == 1);
    CHECK(counters.attempts == 4);
    CHECK(counters.retries == 2);
}

TEST_CASE_FIXTURE(WorldFixture,
                  "client/resilience: the time of a request bounds all of its attempts") {
    ResilientRequester requester({.subject = "s", .retry = {.attempts_max = 100, .jitter = false}},
                                 world());
    outcomes["s"] = ErrorCode::timeout;
    CHECK_FALSE(requester.request({}, 8s));
    CHECK(now - Time{} <= 8s);
    CHECK(asked.size() == 3);  // 1 s, pause 1 s, 1 s, pause 2 s, 1 s, and 4 s would be too long
}

TEST_CASE_FIXTURE(WorldFixture,
                  "client/resilience: an open circuit sends everything to the second choice, until "
                  "it is half open") {
    ResilientRequester requester(
        {.subject = "first", .second_subject = "second", .retry = {.attempts_max = 1}}, world());
    outcomes["first"] = ErrorCode::timeout;
    for (int i = 0; i < 5; ++i)
        CHECK_FALSE(requester.request({}, 1min));
    asked.clear();
    for (int i = 0; i < 3; ++i)
        CHECK(requester.request({}, 1min)->text() == "second");
    CHECK(asked == std::vector<std::string>(3, "second"));
    CHECK(requester.fallback().current() == FallbackReason::circuit_open);
    outcomes["first"] = ErrorCode::ok;
    now += 60s;
    CHECK(requester.request({}, 1min)->text() == "first");
    CHECK(requester.request({}, 1min)->text() == "first");
    CHECK(requester.breaker().state(now) == CircuitState::closed);
    CHECK(requester.counters().second_choice == 3);
}

TEST_CASE_FIXTURE(WorldFixture,
                  "client/resilience: without a second choice an open circuit is said at once") {
    ResilientRequester requester({.subject = "s", .retry = {.attempts_max = 1}}, world());
    outcomes["s"] = ErrorCode::responder_lost;
    for (int i = 0; i < 5; ++i)
        CHECK_FALSE(requester.request({}, 1min));
    asked.clear();
    const auto answer = requester.request({}, 1min);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::circuit_open);
    CHECK(asked.empty());
    CHECK(requester.counters().refused == 1);
}
