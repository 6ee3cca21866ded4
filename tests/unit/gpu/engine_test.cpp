// What the engine answers.

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

}  // namespace

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

}  // namespace casc::gpu
