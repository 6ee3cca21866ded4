#pragma once
// An engine with a fake backend at a made-up time, and what its answers must be.

#include "fake_backend.hpp"

#include <casc/gpu/engine.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace casc::test {

// What a request is answered with when nobody disturbs it, one token after the other.
struct ExpectedAnswer {
    std::string text;
    std::string raw;  // before a stop string cut it off
    gpu::FinishReason reason = gpu::FinishReason::stop;
    std::uint32_t answer_tokens = 0;
};

inline std::size_t stop_bytes_at_end(const std::string& text,
                                     const std::vector<std::string>& stops) {
    std::size_t longest = 0;
    for (const std::string& stop : stops)
        if (text.ends_with(stop)) longest = std::max(longest, stop.size());
    return longest;
}

// Of a model whose alphabet is ASCII.
inline ExpectedAnswer expected_answer(const gpu::GenerateRequest& request, const FakeModel& model,
                                      std::size_t context_tokens) {
    std::vector<gpu::TokenId> tokens;
    for (const char byte : request.prompt)
        tokens.push_back(static_cast<unsigned char>(byte));
    ExpectedAnswer answer;
    while (true) {
        const double draw = gpu::draw_at(request.seed, static_cast<std::uint32_t>(tokens.size()));
        const gpu::TokenId next = model.next(tokens, request.sampling, draw);
        ++answer.answer_tokens;
        if (next == kFakeEnd) break;
        tokens.push_back(next);
        answer.raw += static_cast<char>(next);
        const std::size_t stop_bytes = stop_bytes_at_end(answer.raw, request.stops);
        answer.text = answer.raw.substr(0, answer.raw.size() - stop_bytes);
        answer.reason = stop_bytes != 0 ? gpu::FinishReason::stop_string
                        : answer.answer_tokens == request.max_tokens ? gpu::FinishReason::length
                        : tokens.size() >= context_tokens            ? gpu::FinishReason::context
                                                                     : gpu::FinishReason::stop;
        if (answer.reason != gpu::FinishReason::stop) break;
    }
    return answer;
}

inline std::unique_ptr<FakeBackend> classifying_backend() {
    return std::make_unique<FakeBackend>(
        gpu::BackendLimits{.slot_count = 2, .context_tokens = 32, .step_tokens_max = 16},
        std::vector<std::string>{"spam", "ham", "eggs"});
}

// Whose answers only their length ends.
inline std::unique_ptr<FakeBackend> endless_backend(const gpu::BackendLimits& limits = {
                                                        .slot_count = 4,
                                                        .context_tokens = 64,
                                                        .step_tokens_max = 32}) {
    auto backend = std::make_unique<FakeBackend>(limits);
    backend->answers.ends_one_in = 0;
    return backend;
}

struct EngineFixture {
    using Nanos = std::chrono::nanoseconds;
    static constexpr Nanos kStep = std::chrono::milliseconds(10);

    FakeBackend* backend;  // the engine's
    std::unique_ptr<gpu::Engine> engine;
    MonoNanos now{1'000'000'000};
    gpu::RequestId last_id = 0;
    std::map<gpu::RequestId, gpu::Answer> answers;
    std::map<gpu::RequestId, std::string> streamed;
    std::map<gpu::RequestId, MonoNanos> arrivals;
    std::vector<gpu::EngineOutput> outputs;

    explicit EngineFixture(std::unique_ptr<FakeBackend> fake = std::make_unique<FakeBackend>(),
                           const gpu::EngineOptions& options = {})
        : backend(fake.get()) {
        auto opened =
            gpu::Engine::open(std::move(fake), std::make_shared<FakeTokenizer>(), options);
        REQUIRE(opened);
        engine = *std::move(opened);
    }
    ~EngineFixture() {
        for (const std::string& wrong : backend->wrong)
            FAIL_CHECK(wrong);
    }

    gpu::RequestId submit(gpu::GenerateRequest request) {
        request.id = ++last_id;
        arrivals.emplace(last_id, now);
        engine->submit(std::move(request), now);
        return last_id;
    }
    gpu::RequestId ask(const std::string& prompt, std::uint32_t max_tokens = 8) {
        return submit({.prompt = prompt, .max_tokens = max_tokens});
    }
    // One step. False: there was nothing to do.
    bool step(Nanos took = kStep) {
        const bool stepped = engine->begin_step(now);
        if (stepped) {
            engine->await_step(now);
            now = now + took;
            engine->end_step(now);
        }
        collect();
        return stepped;
    }
    // Until nothing is under way, waiting where the batcher waits.
    void run() {
        for (int i = 0; i < 100'000; ++i) {
            if (step()) continue;
            if (engine->waiting() == 0) return;
            REQUIRE(engine->look_again() > now);
            REQUIRE(engine->look_again() != gpu::kNoDeadline);
            now = engine->look_again();
        }
        FAIL("it never ends");
    }
    gpu::Answer answer(gpu::RequestId id) {
        collect();
        REQUIRE(answers.contains(id));
        return answers.at(id);
    }
    ErrorCode refusal(gpu::GenerateRequest request) {
        const gpu::Answer refused = answer(submit(std::move(request)));
        CHECK(refused.reason == gpu::FinishReason::error);
        CHECK(refused.error.detail != "");
        return refused.error.code;
    }
    void collect() {
        engine->take_outputs(outputs);
        for (gpu::EngineOutput& output : outputs) {
            if (auto* const piece = std::get_if<gpu::TextPiece>(&output)) {
                CHECK_FALSE(answers.contains(piece->id));
                CHECK(piece->text != "");
                streamed[piece->id] += piece->text;
                continue;
            }
            auto& done = std::get<gpu::Answer>(output);
            const gpu::RequestId id = done.id;
            CHECK_MESSAGE(answers.emplace(id, std::move(done)).second, "answered twice: ", id);
        }
    }
};

}  // namespace casc::test
