// Requests that join and leave a model's steps.

#include "engine_fixture.hpp"

#include <casc/gpu/engine.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

namespace casc::gpu {
namespace {

using namespace std::chrono_literals;
using test::endless_backend;
using test::EngineFixture;
using test::FakeBackend;

std::size_t prompt_tokens_of(const std::vector<FakeBackend::Part>& step) {
    std::size_t tokens = 0;
    for (const FakeBackend::Part& part : step)
        if (part.token_count > 1) tokens += part.token_count;
    return tokens;
}

}  // namespace

// ---- company ------------------------------------------------------------------------------------

TEST_CASE("gpu/engine_steps: requests join and leave between steps") {
    EngineFixture f(endless_backend());
    f.ask("one", 10);
    REQUIRE(f.step());
    f.ask("two", 2);
    REQUIRE(f.step());
    CHECK(f.backend->last_step.size() == 2);
    REQUIRE(f.step());
    CHECK(f.engine->running() == 1);
    REQUIRE(f.step());
    CHECK(f.backend->last_step.size() == 1);
    f.run();
    CHECK(f.engine->metrics()->steps.value() == 10);
    CHECK(f.engine->metrics()->prompt_tokens.value() == 6);
    CHECK(f.engine->metrics()->answer_tokens.value() == 12);
}

TEST_CASE("gpu/engine_steps: a long prompt goes in parts, and does not hold up answers that grow") {
    EngineFixture f(endless_backend(), {.prompt_tokens_per_step = 6});
    f.ask("abc", 20);
    REQUIRE(f.step());
    f.ask(std::string(40, 'x'), 2);
    for (const std::size_t tokens : {6u, 6u, 6u, 6u, 6u, 6u}) {
        REQUIRE(f.step());
        CHECK(f.backend->last_step[0].token_count == 1);
        CHECK(prompt_tokens_of(f.backend->last_step) == tokens);
    }
    REQUIRE(f.step());
    CHECK(f.backend->last_step[1].token_count == 4);
    CHECK(f.backend->last_step[1].wanted == Wanted::token);
    f.run();
}

TEST_CASE("gpu/engine_steps: a prompt alone has the whole step") {
    EngineFixture f(endless_backend(), {.prompt_tokens_per_step = 6});
    f.ask(std::string(40, 'x'), 2);
    REQUIRE(f.step());
    CHECK(prompt_tokens_of(f.backend->last_step) == 32);
    CHECK(f.backend->last_step[0].wanted == Wanted::nothing);
    f.run();
}

TEST_CASE("gpu/engine_steps: an urgent prompt is computed before others that have come earlier") {
    EngineFixture f(endless_backend({.slot_count = 4, .context_tokens = 64, .step_tokens_max = 16}),
                    {.prompt_tokens_per_step = 8});
    f.ask("abc", 30);
    REQUIRE(f.step());
    const RequestId low =
        f.submit({.lane = Lane::low, .prompt = std::string(60, 'x'), .max_tokens = 1});
    REQUIRE(f.step());  // it has its slot, and a part of it is computed
    const RequestId urgent =
        f.submit({.lane = Lane::critical, .prompt = std::string(60, 'y'), .max_tokens = 1});
    f.run();
    CHECK(f.answer(urgent).times.first_token < f.answer(low).times.first_token);
}

TEST_CASE(
    "gpu/engine_steps: urgent prompts that never end leave one step of eight to who came first") {
    EngineFixture f(endless_backend({.slot_count = 4, .context_tokens = 64, .step_tokens_max = 8}));
    const RequestId low =
        f.submit({.lane = Lane::low, .prompt = std::string(24, 'x'), .max_tokens = 1});
    REQUIRE(f.step());
    while (f.engine->metrics()->steps.value() < 17) {
        CHECK_FALSE(f.answers.contains(low));
        while (f.engine->running() + f.engine->waiting() < 3)
            f.submit({.lane = Lane::critical, .prompt = std::string(60, 'y'), .max_tokens = 1});
        REQUIRE(f.step());
    }
    CHECK(f.answer(low).reason == FinishReason::length);  // steps 0, 8 and 16 were its own
    f.run();
}

TEST_CASE("gpu/engine_steps: slots are used again, and nobody sees who had them before") {
    EngineFixture f(endless_backend());
    std::vector<RequestId> ids;
    for (std::uint32_t i = 0; i < 40; ++i)
        ids.push_back(f.ask("prompt " + std::to_string(i % 10), 5 + i % 7));
    f.run();
    for (std::uint32_t i = 0; i < 40; ++i) {
        const GenerateRequest request{.prompt = "prompt " + std::to_string(i % 10),
                                      .max_tokens = 5 + i % 7};
        CHECK(f.answer(ids[i]).text == test::expected_answer(request, f.backend->answers, 64).text);
    }
    CHECK(f.engine->free_slots() == 4);
    CHECK(f.engine->running() == 0);
}

TEST_CASE("gpu/engine_steps: no more run than a step can take a token of each") {
    EngineFixture f(endless_backend({.slot_count = 8, .context_tokens = 64, .step_tokens_max = 3}));
    for (int i = 0; i < 8; ++i)
        f.ask("abcdefg", 5);
    f.run();
    CHECK(f.engine->free_slots() == 8);
    for (const auto& [id, answer] : f.answers)
        CHECK(answer.reason == FinishReason::length);
}

// A batch could be larger than what the backend can run, and was waited for.
TEST_CASE("gpu/engine_steps: nobody is waited for who could not run") {
    for (const BackendLimits& limits :
         {BackendLimits{.slot_count = 2, .context_tokens = 64, .step_tokens_max = 32},
          BackendLimits{.slot_count = 8, .context_tokens = 64, .step_tokens_max = 2}}) {
        EngineFixture f(endless_backend(limits));
        f.ask("a", 2);
        f.ask("a", 2);
        f.run();  // steps take 10 ms and requests come quickly: a third would be worth a wait
        f.ask("a", 2);
        CHECK_FALSE(f.step());
        f.ask("a", 2);
        CHECK(f.step());
        CHECK(f.engine->running() == 2);
        f.run();
    }
}

// ---- how long a step may take -------------------------------------------------------------------

// Who ran went on running, so that each of their steps made the limit smaller: it fell to one.
TEST_CASE(
    "gpu/engine_steps: a step that takes too long makes the next batch a little smaller, once") {
    EngineOptions options;
    options.batches.max_batch = 8;
    options.batches.step_objective = 8ms;
    EngineFixture f(endless_backend({.slot_count = 8, .context_tokens = 64, .step_tokens_max = 64}),
                    options);
    for (int i = 0; i < 16; ++i)
        f.ask("a", 30);
    const auto took = [&] { return f.backend->last_step.size() > 7 ? 10ms : 5ms; };
    const auto step = [&] {
        REQUIRE(f.engine->begin_step(f.now));
        f.engine->await_step(f.now);
        f.now = f.now + took();
        f.engine->end_step(f.now);
        f.collect();
    };
    for (int i = 0; i < 30; ++i) {
        step();
        CHECK(f.backend->last_step.size() == 8);
    }
    CHECK(f.answers.size() == 8);
    for (int i = 0; i < 4; ++i) {
        step();
        CHECK(f.backend->last_step.size() == 7);
    }
    f.run();
}

TEST_CASE("gpu/engine_steps: how long prompts take makes no batch smaller") {
    EngineOptions options;
    options.batches.step_objective = 8ms;
    EngineFixture f(endless_backend({.slot_count = 4, .context_tokens = 64, .step_tokens_max = 16}),
                    options);
    for (int round = 0; round < 4; ++round) {
        f.ask(std::string(60, 'x'), 1);
        while (f.step(100ms)) {
        }
    }
    for (int i = 0; i < 4; ++i)
        f.ask("abc", 4);
    REQUIRE(f.step(1ms));
    CHECK(f.engine->running() == 4);
    f.run();
}

}  // namespace casc::gpu
