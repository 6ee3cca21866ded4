// Everything that ends a request before its answer is complete, and what is refused.

#include "engine_fixture.hpp"

#include <casc/gpu/engine.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace casc::gpu {
namespace {

using namespace std::chrono_literals;
using test::classifying_backend;
using test::endless_backend;
using test::EngineFixture;
using test::FakeBackend;
using test::FakeTokenizer;

ErrorCode refusal_to_open(std::unique_ptr<FakeBackend> backend, const EngineOptions& options,
                          std::size_t tokenizer_size = 256) {
    const auto opened =
        Engine::open(std::move(backend), std::make_shared<FakeTokenizer>(tokenizer_size), options);
    REQUIRE_FALSE(opened);
    return opened.error().code;
}

}  // namespace

// ---- ends ---------------------------------------------------------------------------------------

TEST_CASE("gpu/engine_ends: who is cancelled is told so with what there is, wherever it is") {
    EngineFixture f(endless_backend({.slot_count = 1, .context_tokens = 64, .step_tokens_max = 8}));
    const RequestId running = f.ask("abc", 20);
    const RequestId waiting = f.ask("abc", 20);
    REQUIRE(f.step());
    REQUIRE(f.step());
    CHECK(f.engine->cancel(waiting, f.now));
    CHECK(f.engine->cancel(running, f.now));
    CHECK_FALSE(f.engine->cancel(running, f.now));
    CHECK_FALSE(f.engine->cancel(999, f.now));
    CHECK(f.answer(running).reason == FinishReason::cancelled);
    CHECK(f.answer(running).error.code == ErrorCode::cancelled);
    CHECK(f.answer(running).text.size() == 2);
    CHECK(f.answer(waiting).reason == FinishReason::cancelled);
    CHECK(f.engine->free_slots() == 1);
    CHECK_FALSE(f.step());
}

TEST_CASE("gpu/engine_ends: a cancel and a new request while a step is under way disturb nobody") {
    EngineFixture f(endless_backend({.slot_count = 2, .context_tokens = 64, .step_tokens_max = 8}));
    const RequestId gone = f.ask("abc", 20);
    const RequestId stays = f.ask("abd", 3);
    REQUIRE(f.step());
    REQUIRE(f.engine->begin_step(f.now));
    CHECK(f.engine->cancel(gone, f.now));
    const RequestId next = f.ask("abe", 3);
    f.engine->await_step(f.now);
    f.engine->end_step(f.now);
    f.run();
    CHECK(f.answer(gone).text.size() == 1);
    for (const auto& [id, prompt] : {std::pair{stays, "abd"}, std::pair{next, "abe"}})
        CHECK(f.answer(id).text ==
              test::expected_answer({.prompt = prompt, .max_tokens = 3}, f.backend->answers, 64)
                  .text);
}

TEST_CASE("gpu/engine_ends: a deadline ends who waits and who runs, with what there is") {
    EngineFixture f(endless_backend({.slot_count = 1, .context_tokens = 64, .step_tokens_max = 8}));
    const RequestId running =
        f.submit({.deadline = f.now + 35ms, .prompt = "abc", .max_tokens = 20});
    const RequestId waiting =
        f.submit({.deadline = f.now + 15ms, .prompt = "abc", .max_tokens = 20});
    const RequestId late = f.submit({.deadline = f.now, .prompt = "abc"});
    f.run();
    CHECK(f.answer(running).reason == FinishReason::timeout);
    CHECK(f.answer(running).error.code == ErrorCode::timeout);
    CHECK(f.answer(running).text.size() == 4);
    CHECK(f.answer(waiting).reason == FinishReason::timeout);
    CHECK(f.answer(waiting).text == "");
    CHECK(f.answer(waiting).times.total == 20ms);
    CHECK(f.answer(late).reason == FinishReason::timeout);
    CHECK(f.engine->free_slots() == 1);
}

// Its prompt was tokenised before.
TEST_CASE(
    "gpu/engine_ends: who comes after its deadline is told so, and its prompt is not looked at") {
    EngineFixture f;
    const RequestId late = f.submit({.deadline = f.now, .prompt = "\xFF"});
    const RequestId in_time = f.submit({.deadline = f.now + 1ns, .prompt = "\xFF"});
    CHECK(f.answer(late).reason == FinishReason::timeout);
    CHECK(f.answer(late).error.code == ErrorCode::timeout);
    CHECK(f.answer(late).prompt_tokens == 0);
    CHECK(f.answer(in_time).error.code == ErrorCode::invalid_request);
    CHECK(f.engine->waiting() == 0);
}

TEST_CASE("gpu/engine_ends: who finds its lane full is told when to come again, others are not") {
    EngineOptions options;
    options.batches.max_batch = 2;
    options.batches.queue_capacity = 2;
    EngineFixture f(endless_backend(), options);
    f.ask("abc", 20);
    f.ask("abc", 20);
    f.run();  // now it is known that an answer takes 20 steps of 10 ms
    std::vector<RequestId> ids;
    for (int i = 0; i < 2; ++i)
        ids.push_back(f.ask("abc", 20));
    const RequestId refused = f.ask("abc", 20);
    const RequestId high = f.submit({.lane = Lane::high, .prompt = "abc", .max_tokens = 1});
    CHECK(f.answer(refused).error.code == ErrorCode::model_overloaded);
    CHECK(f.answer(refused).error.retry_after_ms >= 200);
    CHECK(f.answer(refused).error.retry_after_ms <= 600);
    f.run();
    CHECK(f.answer(high).reason == FinishReason::length);
    CHECK(f.answer(ids[1]).reason == FinishReason::length);
}

TEST_CASE("gpu/engine_ends: so is who would make the prompts in line too long together") {
    EngineOptions options;
    options.batches.queue_tokens_max = 50;
    EngineFixture f(endless_backend(), options);
    f.submit({.prompt = std::string(40, 'x'), .max_tokens = 2});
    const RequestId refused = f.submit({.lane = Lane::high, .prompt = std::string(20, 'x')});
    const RequestId small = f.ask("abc", 2);
    f.run();
    CHECK(f.answer(refused).error.code == ErrorCode::model_overloaded);
    CHECK(f.answer(refused).error.retry_after_ms > 0);
    CHECK(f.answer(small).reason == FinishReason::length);
}

// It was told to come again, for ever.
TEST_CASE("gpu/engine_ends: a prompt longer than all in line may be together is refused for good") {
    EngineOptions options;
    options.batches.queue_tokens_max = 50;
    EngineFixture f(endless_backend(), options);
    CHECK(f.refusal({.prompt = std::string(51, 'x')}) == ErrorCode::invalid_request);
    const RequestId fits = f.ask(std::string(50, 'x'), 2);
    f.run();
    CHECK(f.answer(fits).reason == FinishReason::length);
}

// A string that is emptied keeps its memory.
TEST_CASE("gpu/engine_ends: a prompt's memory goes when its tokens are known") {
    const FakeBackend backend;
    const FakeTokenizer tokenizer;
    GenerateRequest request{.prompt = std::string(60, 'x')};
    const auto tokens = take_prompt(request, tokenizer, backend.model(), 64);
    REQUIRE(tokens);
    CHECK(tokens->size() == 60);
    CHECK(request.prompt.capacity() == std::string().capacity());
}

TEST_CASE(
    "gpu/engine_ends: everything that is under way can be ended, and what comes turned away") {
    EngineFixture f(endless_backend({.slot_count = 1, .context_tokens = 64, .step_tokens_max = 8}));
    const RequestId running = f.ask("abc", 20);
    const RequestId waiting = f.ask("abc", 20);
    REQUIRE(f.step());
    f.engine->turn_away(ErrorCode::shutting_down);
    CHECK(f.answer(f.ask("abc")).error.code == ErrorCode::shutting_down);
    f.engine->end_all(ErrorCode::shutting_down, f.now);
    CHECK(f.answer(running).error.code == ErrorCode::shutting_down);
    CHECK(f.answer(running).text.size() == 1);
    CHECK(f.answer(waiting).error.code == ErrorCode::shutting_down);
    CHECK_FALSE(f.step());
}

// ---- failures -----------------------------------------------------------------------------------

TEST_CASE(
    "gpu/engine_ends: a step that fails is computed again from the beginning, to the same text") {
    for (std::uint64_t failing = 1; failing <= 12; ++failing) {
        EngineFixture f(endless_backend());
        f.backend->fails = [&](std::uint64_t step) { return step == failing; };
        const RequestId long_prompt = f.ask(std::string(40, 'x'), 8);
        const RequestId other = f.ask("abc", 8);
        f.run();
        CHECK(
            f.answer(other).text ==
            test::expected_answer({.prompt = "abc", .max_tokens = 8}, f.backend->answers, 64).text);
        const GenerateRequest again{.prompt = std::string(40, 'x'), .max_tokens = 8};
        CHECK(f.answer(long_prompt).text ==
              test::expected_answer(again, f.backend->answers, 64).text);
        CHECK(f.answer(long_prompt).reason == FinishReason::length);
        CHECK_FALSE(f.engine->failed());
    }
}

TEST_CASE("gpu/engine_ends: two failed steps in a row end everything, and what comes after") {
    EngineFixture f(endless_backend({.slot_count = 1, .context_tokens = 64, .step_tokens_max = 8}));
    f.backend->fails = [](std::uint64_t step) { return step >= 3; };
    const RequestId running = f.ask("abc", 20);
    const RequestId waiting = f.ask("abc", 20);
    f.run();
    CHECK(f.engine->failed());
    CHECK(f.answer(running).error.code == ErrorCode::device_failed);
    CHECK(f.answer(running).error.detail == "it was told to");
    CHECK(f.answer(running).text.size() == 2);
    CHECK(f.answer(waiting).error.code == ErrorCode::device_failed);
    CHECK(f.refusal({.prompt = "abc"}) == ErrorCode::device_failed);
    CHECK(f.engine->metrics()->failed_steps.value() == 2);
    CHECK_FALSE(f.step());
}

TEST_CASE("gpu/engine_ends: who begins again and fails again before a token came fails alone") {
    // A prompt of five steps whose device fails in every other one would never come to an end.
    EngineFixture f(endless_backend({.slot_count = 2, .context_tokens = 64, .step_tokens_max = 8}));
    f.backend->fails = [](std::uint64_t step) { return step % 2 == 0; };
    const RequestId long_prompt = f.ask(std::string(40, 'x'), 8);
    f.run();
    CHECK(f.answer(long_prompt).error.code == ErrorCode::device_failed);
    CHECK_FALSE(f.engine->failed());
    const RequestId quick = f.ask("ab", 6);  // a token comes between two failures
    f.run();
    CHECK(f.answer(quick).reason == FinishReason::length);
}

TEST_CASE("gpu/engine_ends: numbers that are none fail their own request alone") {
    EngineFixture f(endless_backend());
    const RequestId poisoned = f.ask("abc!", 8);
    const RequestId other = f.ask("abc", 8);
    f.run();
    CHECK(f.answer(poisoned).error.code == ErrorCode::inference_failed);
    CHECK(f.answer(poisoned).reason == FinishReason::error);
    CHECK(f.answer(other).reason == FinishReason::length);
    CHECK(f.engine->free_slots() == 4);
}

// ---- what is refused ----------------------------------------------------------------------------

TEST_CASE("gpu/engine_ends: bad requests are refused with their reason, and disturb nobody") {
    EngineFixture f(endless_backend());
    const RequestId good = f.ask("abc", 8);
    REQUIRE(f.step());
    CHECK(f.refusal({.prompt = ""}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "\xFF"}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "ab\xC3"}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = std::string(64, 'x')}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = std::string(1 << 20, 'x')}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt_tokens = {1, 256}}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt_tokens = {kNoToken}}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .prompt_tokens = {1}}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .max_tokens = 0}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .max_tokens = ~0u}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .sampling = {.temperature = -1}}) ==
          ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .stops = {""}}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .stops = {"\xFF"}}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .stops = {std::string(257, 'x')}}) ==
          ErrorCode::invalid_request);
    CHECK(f.refusal({.prompt = "a", .stops = std::vector<std::string>(17, "x")}) ==
          ErrorCode::invalid_request);
    CHECK(f.refusal({.kind = RequestKind::classify, .prompt = "a"}) == ErrorCode::invalid_request);
    CHECK(f.refusal({.kind = static_cast<RequestKind>(9), .prompt = "a"}) ==
          ErrorCode::invalid_request);
    CHECK(f.refusal({.lane = static_cast<Lane>(9), .prompt = "a"}) == ErrorCode::unknown_lane);
    f.run();
    CHECK(f.answer(good).text.size() == 8);
}

TEST_CASE("gpu/engine_ends: a prompt beyond the context is refused with both numbers") {
    EngineFixture f(classifying_backend());
    const RequestId fits = f.submit({.kind = RequestKind::embed, .prompt = std::string(32, 'x')});
    const RequestId beyond = f.submit({.kind = RequestKind::embed, .prompt = std::string(33, 'x')});
    f.run();
    CHECK(f.answer(fits).reason == FinishReason::stop);
    CHECK(f.answer(beyond).error.detail == "the prompt has 33 tokens, and the context has 32");
    CHECK(f.refusal({.kind = RequestKind::generate, .prompt = "a"}) == ErrorCode::invalid_request);
}

TEST_CASE("gpu/engine_ends: an id that is under way cannot be used, and afterwards can") {
    EngineFixture f(endless_backend());
    f.engine->submit({.id = 77, .prompt = "abc", .max_tokens = 2}, f.now);
    REQUIRE(f.step());
    f.engine->submit({.id = 77, .prompt = "abc", .max_tokens = 2}, f.now);
    f.collect();
    CHECK(f.answers.at(77).error.code == ErrorCode::invalid_request);
    f.answers.clear();
    f.run();
    CHECK(f.answers.at(77).reason == FinishReason::length);
    f.answers.clear();
    f.engine->submit({.id = 77, .prompt = "abc", .max_tokens = 2}, f.now);
    f.run();
    CHECK(f.answers.at(77).reason == FinishReason::length);
}

TEST_CASE("gpu/engine_ends: what cannot work is not opened") {
    EngineOptions no_batch;
    no_batch.batches.max_batch = 0;
    CHECK(refusal_to_open(endless_backend(), no_batch) == ErrorCode::invalid_config);
    CHECK(refusal_to_open(endless_backend(), {.prompt_tokens_per_step = 0}) ==
          ErrorCode::invalid_config);
    CHECK(refusal_to_open(endless_backend(), {}, 257) == ErrorCode::model_unusable);
    for (const BackendLimits& limits :
         {BackendLimits{0, 64, 32}, BackendLimits{4, 0, 32}, BackendLimits{4, 64, 0}})
        CHECK(refusal_to_open(endless_backend(limits), {}) == ErrorCode::model_unusable);
}

}  // namespace casc::gpu
