// Requests that join and leave a model's steps, and everything that ends them.

#include "engine_fixture.hpp"

#include <casc/gpu/engine.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>

namespace casc::gpu {
namespace {

using namespace std::chrono_literals;
using test::endless_backend;
using test::EngineFixture;
using test::FakeBackend;
using test::FakeTokenizer;

std::unique_ptr<FakeBackend> classifying_backend() {
    return std::make_unique<FakeBackend>(
        BackendLimits{.slot_count = 2, .context_tokens = 32, .step_tokens_max = 16},
        std::vector<std::string>{"spam", "ham", "eggs"});
}

ErrorCode refusal_to_open(std::unique_ptr<FakeBackend> backend, const EngineOptions& options,
                          std::size_t tokenizer_size = 256) {
    const auto opened =
        Engine::open(std::move(backend), std::make_shared<FakeTokenizer>(tokenizer_size), options);
    REQUIRE_FALSE(opened);
    return opened.error().code;
}

std::size_t prompt_tokens_of(const std::vector<FakeBackend::Part>& step) {
    std::size_t tokens = 0;
    for (const FakeBackend::Part& part : step)
        if (part.token_count > 1) tokens += part.token_count;
    return tokens;
}

}  // namespace

// ---- answers ------------------------------------------------------------------------------------

TEST_CASE("gpu/engine: an answer is what the model says, one token after the other") {
    EngineFixture f;
    for (const char* prompt : {"a", "hello", "what is this?"}) {
        const GenerateRequest request{.prompt = prompt, .max_tokens = 40};
        const auto expected = test::expected_answer(request, f.backend->answers, 64);
        const RequestId id = f.submit(request);
        f.run();
        const Answer answer = f.answer(id);
        CHECK(answer.text == expected.text);
        CHECK(answer.reason == expected.reason);
        CHECK(answer.answer_tokens == expected.answer_tokens);
        CHECK(answer.prompt_tokens == request.prompt.size());
        CHECK(answer.error.code == ErrorCode::ok);
    }
    CHECK(f.engine->free_slots() == 4);
}

TEST_CASE("gpu/engine: a prompt may come as tokens") {
    EngineFixture f(endless_backend());
    const RequestId text = f.ask("abc");
    const RequestId tokens = f.submit({.prompt_tokens = {'a', 'b', 'c'}, .max_tokens = 8});
    f.run();
    CHECK(f.answer(tokens).text == f.answer(text).text);
}

TEST_CASE("gpu/engine: max_tokens, the context and an end token end an answer, and are told") {
    EngineFixture f(endless_backend());
    const RequestId five = f.ask("abc", 5);
    const RequestId many = f.ask("abc", 1000);
    f.run();
    CHECK(f.answer(five).reason == FinishReason::length);
    CHECK(f.answer(five).text.size() == 5);
    CHECK(f.answer(many).reason == FinishReason::context);
    CHECK(f.answer(many).text.size() == 61);  // with the prompt 64
    f.backend->answers.ends_one_in = 1;
    const RequestId none = f.ask("abc");
    f.run();
    CHECK(f.answer(none).reason == FinishReason::stop);
    CHECK(f.answer(none).text == "");
    CHECK(f.answer(none).answer_tokens == 1);
}

TEST_CASE("gpu/engine: a prompt that leaves room for one token gets one") {
    EngineFixture f(endless_backend());
    const RequestId id = f.ask(std::string(63, 'x'), 10);
    f.run();
    CHECK(f.answer(id).reason == FinishReason::context);
    CHECK(f.answer(id).answer_tokens == 1);
}

TEST_CASE("gpu/engine: an answer ends before a stop string, also in the middle of held text") {
    EngineFixture f(endless_backend());
    const RequestId whole = f.ask("abc", 40);
    f.run();
    const std::string text = f.answer(whole).text;
    const RequestId stopped =
        f.submit({.prompt = "abc", .max_tokens = 40, .stops = {text.substr(10, 6), "zz"}});
    f.run();
    CHECK(f.answer(stopped).reason == FinishReason::stop_string);
    CHECK(f.answer(stopped).text == text.substr(0, 10));
    CHECK(f.answer(stopped).answer_tokens == 16);
}

TEST_CASE("gpu/engine: text comes in pieces as it is certain, and is the same text") {
    EngineFixture f(endless_backend());
    const RequestId whole = f.ask("abc", 30);
    f.run();
    const std::string text = f.answer(whole).text;
    GenerateRequest request{.prompt = "abc", .max_tokens = 30, .streams = true};
    request.stops = {text.substr(3, 3) + "never"};
    const RequestId streamed = f.submit(request);
    std::vector<std::string> seen;
    while (f.step())
        seen.push_back(f.streamed[streamed]);
    CHECK(f.streamed[streamed] == text);
    CHECK(f.answer(streamed).text == "");
    // Each step's while the next one is computed.
    CHECK(seen[2] == text.substr(0, 2));
    CHECK(seen[3] == text.substr(0, 3));
    CHECK(seen[6] == text.substr(0, 3));  // it may be the beginning of the stop string
    CHECK(seen[7].size() > 3);
}

TEST_CASE("gpu/engine: characters of several bytes come whole") {
    auto backend = endless_backend();
    backend->answers.alphabet = "\xC3\xA9";  // é, cut wherever the hash cuts it
    EngineFixture f(std::move(backend));
    const RequestId id = f.submit({.prompt = "abc", .max_tokens = 50, .streams = true});
    while (f.step())
        for (std::string_view text = f.streamed[id]; !text.empty();) {
            const std::size_t length = utf8_length(text);
            REQUIRE(length != 0);
            text.remove_prefix(length);
        }
    CHECK(f.streamed[id].find("\xC3\xA9") != std::string::npos);
}

TEST_CASE("gpu/engine: the same seed gives the same text, another one another") {
    EngineFixture f(endless_backend());
    GenerateRequest request{.prompt = "abc", .max_tokens = 30};
    request.sampling.temperature = 1;
    request.seed = 5;
    const RequestId first = f.submit(request);
    f.run();
    const RequestId again = f.submit(request);
    f.ask("beside it", 20);
    request.seed = 6;
    const RequestId other = f.submit(request);
    f.run();
    CHECK(f.answer(first).text == f.answer(again).text);
    CHECK(f.answer(first).text != f.answer(other).text);
}

TEST_CASE("gpu/engine: embedding gives a vector, classifying a label and what is likely") {
    EngineFixture f(classifying_backend());
    const RequestId vector = f.submit({.kind = RequestKind::embed, .prompt = "abc"});
    const RequestId label =
        f.submit({.kind = RequestKind::classify, .prompt = "a longer prompt than a step"});
    f.run();
    CHECK(f.answer(vector).reason == FinishReason::stop);
    CHECK(f.answer(vector).values == std::vector<float>(4, 0.5f));
    const Answer answer = f.answer(label);
    REQUIRE(answer.values.size() == 3);
    CHECK(answer.values[0] + answer.values[1] + answer.values[2] == doctest::Approx(1));
    const auto best = std::ranges::max_element(answer.values) - answer.values.begin();
    CHECK(answer.label == f.engine->backend().model().labels[static_cast<std::size_t>(best)]);
    CHECK(answer.answer_tokens == 0);
    CHECK(answer.times.first_token == 0ns);
    CHECK(f.engine->free_slots() == 2);
}

TEST_CASE("gpu/engine: an answer says how long it waited, for its first token and in all") {
    EngineFixture f(endless_backend({.slot_count = 1, .context_tokens = 64, .step_tokens_max = 8}));
    const RequestId first = f.ask("abc", 4);
    const RequestId second = f.ask(std::string(20, 'x'), 2);
    f.run();
    CHECK(f.answer(first).times.queued == 0ns);
    CHECK(f.answer(first).times.first_token == 10ms);
    CHECK(f.answer(first).times.total == 40ms);
    CHECK(f.answer(second).times.queued == 40ms);
    CHECK(f.answer(second).times.first_token == 70ms);  // 20 tokens, 8 at a time
    CHECK(f.answer(second).times.total == 80ms);
}

// ---- company ------------------------------------------------------------------------------------

TEST_CASE("gpu/engine: requests join and leave between steps") {
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

TEST_CASE("gpu/engine: a long prompt goes in parts, and does not hold up answers that grow") {
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

TEST_CASE("gpu/engine: a prompt alone has the whole step") {
    EngineFixture f(endless_backend(), {.prompt_tokens_per_step = 6});
    f.ask(std::string(40, 'x'), 2);
    REQUIRE(f.step());
    CHECK(prompt_tokens_of(f.backend->last_step) == 32);
    CHECK(f.backend->last_step[0].wanted == Wanted::nothing);
    f.run();
}

TEST_CASE("gpu/engine: an urgent prompt is computed before others that have come earlier") {
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

TEST_CASE("gpu/engine: urgent prompts that never end leave one step of eight to who came first") {
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

TEST_CASE("gpu/engine: slots are used again, and nobody sees who had them before") {
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

TEST_CASE("gpu/engine: no more run than a step can take a token of each") {
    EngineFixture f(endless_backend({.slot_count = 8, .context_tokens = 64, .step_tokens_max = 3}));
    for (int i = 0; i < 8; ++i)
        f.ask("abcdefg", 5);
    f.run();
    CHECK(f.engine->free_slots() == 8);
    for (const auto& [id, answer] : f.answers)
        CHECK(answer.reason == FinishReason::length);
}

// A batch could be larger than what the backend can run, and was waited for.
TEST_CASE("gpu/engine: nobody is waited for who could not run") {
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
TEST_CASE("gpu/engine: a step that takes too long makes the next batch a little smaller, once") {
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

TEST_CASE("gpu/engine: how long prompts take makes no batch smaller") {
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

// ---- ends ---------------------------------------------------------------------------------------

TEST_CASE("gpu/engine: who is cancelled is told so with what there is, wherever it is") {
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

TEST_CASE("gpu/engine: a cancel and a new request while a step is under way disturb nobody") {
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

TEST_CASE("gpu/engine: a deadline ends who waits and who runs, with what there is") {
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
TEST_CASE("gpu/engine: who comes after its deadline is told so, and its prompt is not looked at") {
    EngineFixture f;
    const RequestId late = f.submit({.deadline = f.now, .prompt = "\xFF"});
    const RequestId in_time = f.submit({.deadline = f.now + 1ns, .prompt = "\xFF"});
    CHECK(f.answer(late).reason == FinishReason::timeout);
    CHECK(f.answer(late).error.code == ErrorCode::timeout);
    CHECK(f.answer(late).prompt_tokens == 0);
    CHECK(f.answer(in_time).error.code == ErrorCode::invalid_request);
    CHECK(f.engine->waiting() == 0);
}

TEST_CASE("gpu/engine: who finds its lane full is told when to come again, others are not") {
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

TEST_CASE("gpu/engine: so is who would make the prompts in line too long together") {
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
TEST_CASE("gpu/engine: a prompt longer than all in line may be together is refused for good") {
    EngineOptions options;
    options.batches.queue_tokens_max = 50;
    EngineFixture f(endless_backend(), options);
    CHECK(f.refusal({.prompt = std::string(51, 'x')}) == ErrorCode::invalid_request);
    const RequestId fits = f.ask(std::string(50, 'x'), 2);
    f.run();
    CHECK(f.answer(fits).reason == FinishReason::length);
}

// A string that is emptied keeps its memory.
TEST_CASE("gpu/engine: a prompt's memory goes when its tokens are known") {
    const FakeBackend backend;
    const FakeTokenizer tokenizer;
    GenerateRequest request{.prompt = std::string(60, 'x')};
    const auto tokens = take_prompt(request, tokenizer, backend.model(), 64);
    REQUIRE(tokens);
    CHECK(tokens->size() == 60);
    CHECK(request.prompt.capacity() == std::string().capacity());
}

TEST_CASE("gpu/engine: everything that is under way can be ended, and what comes turned away") {
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

TEST_CASE("gpu/engine: a step that fails is computed again from the beginning, to the same text") {
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

TEST_CASE("gpu/engine: two failed steps in a row end everything, and what comes after") {
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

TEST_CASE("gpu/engine: who begins again and fails again before a token came fails alone") {
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

TEST_CASE("gpu/engine: numbers that are none fail their own request alone") {
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

TEST_CASE("gpu/engine: bad requests are refused with their reason, and disturb nobody") {
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

TEST_CASE("gpu/engine: a prompt beyond the context is refused with both numbers") {
    EngineFixture f(classifying_backend());
    const RequestId fits = f.submit({.kind = RequestKind::embed, .prompt = std::string(32, 'x')});
    const RequestId beyond = f.submit({.kind = RequestKind::embed, .prompt = std::string(33, 'x')});
    f.run();
    CHECK(f.answer(fits).reason == FinishReason::stop);
    CHECK(f.answer(beyond).error.detail == "the prompt has 33 tokens, and the context has 32");
    CHECK(f.refusal({.kind = RequestKind::generate, .prompt = "a"}) == ErrorCode::invalid_request);
}

TEST_CASE("gpu/engine: an id that is under way cannot be used, and afterwards can") {
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

TEST_CASE("gpu/engine: what cannot work is not opened") {
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
