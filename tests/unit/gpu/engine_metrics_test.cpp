#include "engine_fixture.hpp"

#include <casc/gpu/engine_metrics.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <numeric>

namespace casc::gpu {
namespace {

using namespace std::chrono_literals;
using test::endless_backend;
using test::EngineFixture;

constexpr std::uint64_t kMs = 1'000'000;

std::uint64_t count_of(const EngineMetrics& metrics, Outcome outcome) {
    return metrics.outcomes[static_cast<std::size_t>(outcome)].value();
}

}  // namespace

TEST_CASE("gpu/engine_metrics: a value is in the first part that it is not above") {
    Distribution<3> values({10, 20, 30});
    for (const std::uint64_t value : {0, 10, 11, 20, 30, 31, 1000})
        values.record(value);
    values.record(15, 3);
    CHECK(values.count_in(0) == 2);
    CHECK(values.count_in(1) == 5);
    CHECK(values.count_in(2) == 1);
    CHECK(values.count_in(3) == 2);
    CHECK(values.count() == 10);
    CHECK(values.sum() == 0 + 10 + 11 + 20 + 30 + 31 + 1000 + 45);
}

TEST_CASE("gpu/engine_metrics: one request alone, at a step each 10 ms") {
    EngineFixture f(endless_backend());
    f.ask("hello", 4);
    f.run();
    const EngineMetrics& m = *f.engine->metrics();
    CHECK(m.steps.value() == 4);
    CHECK(m.prompt_tokens.value() == 5);
    CHECK(m.answer_tokens.value() == 4);
    CHECK(m.batch_size.count() == 4);
    CHECK(m.batch_size.sum() == 4);
    CHECK(m.prompt_step.count() == 1);
    CHECK(m.decode_step.count() == 3);
    CHECK(m.decode_step.sum() == 30 * kMs);
    CHECK(m.first_token.count() == 1);
    CHECK(m.per_token.count() == 3);
    CHECK(m.per_token.sum() == 30 * kMs);
    CHECK(m.request.count() == 1);
    CHECK(m.request.sum() == m.first_token.sum() + 30 * kMs);
    CHECK(m.queued[static_cast<std::size_t>(Lane::normal)].count() == 1);
    CHECK(m.queued[static_cast<std::size_t>(Lane::high)].count() == 0);
    CHECK(count_of(m, Outcome::ok) == 1);
    CHECK(m.slots == 4);
    CHECK(m.cache_tokens == 4 * 64);
    CHECK(m.running.value() == 0);
    CHECK(m.cached_tokens.value() == 0);
}

TEST_CASE("gpu/engine_metrics: who waits, who runs, and why a batch left") {
    EngineFixture f(endless_backend());
    for (int i = 0; i < 6; ++i)
        f.submit({.lane = Lane::high, .prompt = "abc", .max_tokens = i == 0 ? 4u : 8u});
    const EngineMetrics& m = *f.engine->metrics();
    const auto high = static_cast<std::size_t>(Lane::high);
    CHECK(m.waiting[high].value() == 6);
    REQUIRE(f.step());
    CHECK(m.waiting[high].value() == 2);
    CHECK(m.running.value() == 4);
    CHECK(m.cached_tokens.value() == 12);
    CHECK(m.fired[static_cast<std::size_t>(FireReason::size)].value() == 1);
    CHECK(m.joined.value() == 0);
    f.run();
    CHECK(m.joined.value() == 2);
    const auto fired = std::accumulate(
        m.fired.begin(), m.fired.end(), std::uint64_t{0},
        [](std::uint64_t sum, const Counter& count) { return sum + count.value(); });
    CHECK(fired == m.batch_wait.count());
    CHECK(m.queued[high].count() == 6);
    CHECK(m.queued[high].sum() >= (40 + 80) * kMs);
    CHECK(count_of(m, Outcome::ok) == 6);
}

TEST_CASE("gpu/engine_metrics: without continuous batching nobody joins who is at work") {
    EngineFixture f(endless_backend(), {.joins_running = false});
    for (int i = 0; i < 6; ++i)
        f.ask("abc", i == 0 ? 4 : 8);
    f.run();
    const EngineMetrics& m = *f.engine->metrics();
    CHECK(m.joined.value() == 0);
    CHECK(m.steps.value() == 8 + 8);
    CHECK(count_of(m, Outcome::ok) == 6);
}

TEST_CASE("gpu/engine_metrics: every request has ended in one way") {
    EngineFixture f(endless_backend(), {.batches = {.max_batch = 4, .queue_capacity = 4}});
    f.submit({.prompt = "", .max_tokens = 4});  // refused
    f.submit({.deadline = f.now + 1ms, .prompt = "late", .max_tokens = 40});
    const RequestId cancelled = f.ask("cancelled", 40);
    f.ask("good", 4);
    f.ask("bad!", 4);  // its numbers are none
    f.ask("one too many");
    f.step();
    f.engine->cancel(cancelled, f.now);
    f.run();
    const EngineMetrics& m = *f.engine->metrics();
    CHECK(count_of(m, Outcome::ok) == 1);
    CHECK(count_of(m, Outcome::timeout) == 1);
    CHECK(count_of(m, Outcome::rejected) == 1);
    CHECK(count_of(m, Outcome::cancelled) == 1);
    CHECK(count_of(m, Outcome::error) == 2);
    CHECK(m.request.count() == 1);
}

}  // namespace casc::gpu
