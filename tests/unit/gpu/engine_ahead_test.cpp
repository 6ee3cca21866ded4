// What the engine does while the device computes: it makes text of the step before.

#include "engine_fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

using namespace casc;
using namespace casc::gpu;
using test::EngineFixture;

namespace {

std::unique_ptr<test::FakeBackend> backend_of_x(std::uint32_t slots) {
    auto backend = std::make_unique<test::FakeBackend>(
        BackendLimits{.slot_count = slots, .context_tokens = 64, .step_tokens_max = 8});
    backend->answers.alphabet = "x";
    backend->answers.ends_one_in = 0;
    return backend;
}

void end_step(EngineFixture& f) {
    f.engine->await_step(f.now);
    f.engine->end_step(f.now);
    f.collect();
}

}  // namespace

TEST_CASE("gpu/engine: the text of a step comes while the next one is computed") {
    EngineFixture f(backend_of_x(2));
    const RequestId id = f.submit({.prompt = "abc", .max_tokens = 3, .streams = true});
    REQUIRE(f.step());
    CHECK(f.streamed[id] == "");
    REQUIRE(f.engine->begin_step(f.now));
    f.collect();
    CHECK(f.streamed[id] == "x");
    CHECK(f.backend->steps == 1);  // the second one was launched and is not computed
    end_step(f);
    REQUIRE(f.step());
    CHECK(f.streamed[id] + f.answer(id).text == "xxx");
    CHECK(f.answer(id).reason == FinishReason::length);
}

TEST_CASE("gpu/engine: who ends with a stop string is answered while it is in one step more") {
    EngineFixture f(backend_of_x(1));
    const RequestId stops = f.submit({.prompt = "abc", .max_tokens = 9, .stops = {"xx"}});
    REQUIRE(f.step());
    const RequestId next = f.ask("abd", 2);
    REQUIRE(f.step());
    CHECK(f.answers.empty());
    REQUIRE(f.engine->begin_step(f.now));
    CHECK(f.answer(stops).reason == FinishReason::stop_string);
    CHECK(f.answer(stops).text == "");
    CHECK(f.answer(stops).answer_tokens == 2);
    CHECK(f.engine->running() == 0);
    CHECK(f.engine->waiting() == 1);
    end_step(f);
    CHECK(f.backend->last_step == std::vector<test::FakeBackend::Part>{{0, 4, 1, Wanted::token}});
    REQUIRE(f.step());
    CHECK(f.backend->last_step == std::vector<test::FakeBackend::Part>{{0, 0, 3, Wanted::token}});
    REQUIRE(f.step());
    CHECK(f.answer(next).text == "xx");
}

TEST_CASE(
    "gpu/engine: a stop string in the last token that is allowed ends it, and not the length") {
    EngineFixture f(backend_of_x(1));
    const RequestId id = f.submit({.prompt = "abc", .max_tokens = 2, .stops = {"xx"}});
    REQUIRE(f.step());
    REQUIRE(f.step());
    CHECK(f.answer(id).reason == FinishReason::stop_string);
    CHECK(f.backend->steps == 2);
}

TEST_CASE("gpu/engine: what was computed before a cancel is in the text") {
    EngineFixture f(backend_of_x(1));
    const RequestId id = f.ask("abc", 9);
    REQUIRE(f.step());
    REQUIRE(f.step());
    CHECK(f.engine->cancel(id, f.now));
    CHECK(f.answer(id).text == "xx");
    CHECK(f.answer(id).reason == FinishReason::cancelled);
    CHECK_FALSE(f.step());
}

TEST_CASE("gpu/engine: who was complete before the deadline is not late") {
    EngineFixture f(backend_of_x(1));
    GenerateRequest request{.prompt = "abc", .max_tokens = 9, .stops = {"xx"}};
    request.deadline = f.now + 2 * EngineFixture::kStep;
    const RequestId id = f.submit(std::move(request));
    REQUIRE(f.step());
    REQUIRE(f.step());  // ends at the deadline
    CHECK_FALSE(f.step());
    CHECK(f.answer(id).reason == FinishReason::stop_string);
    CHECK(f.answer(id).error.code == ErrorCode::ok);
    CHECK(f.answer(id).text == "");
}

TEST_CASE("gpu/engine: streamed pieces and answers add up, whatever ends them") {
    for (const std::uint32_t max_tokens : {3, 4, 9}) {
        EngineFixture f(backend_of_x(2));
        const RequestId streamed = f.submit(
            {.prompt = "abc", .max_tokens = max_tokens, .stops = {"xxxx"}, .streams = true});
        const RequestId whole =
            f.submit({.prompt = "abc", .max_tokens = max_tokens, .stops = {"xxxx"}});
        f.run();
        CHECK(f.streamed[streamed] + f.answer(streamed).text == f.answer(whole).text);
        CHECK(f.answer(whole).text == (max_tokens == 3 ? "xxx" : ""));
        CHECK(f.answer(whole).answer_tokens == std::min(max_tokens, 4u));
    }
}

namespace {

// A device: it computes what was launched while nobody waits, and may not be able to begin.
class EagerDevice final : public Backend {
public:
    explicit EagerDevice(std::unique_ptr<test::FakeBackend> fake) : fake_(std::move(fake)) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "device"; }
    [[nodiscard]] const ModelConfig& model() const noexcept override { return fake_->model(); }
    [[nodiscard]] const BackendLimits& limits() const noexcept override { return fake_->limits(); }
    [[nodiscard]] Result<void> launch(std::span<const SequenceStep> sequences,
                                      StepOutput& output) override {
        CHECK_FALSE(std::exchange(is_under_way_, true));
        if (++launches == fails_at) {
            is_under_way_ = false;
            return Error(ErrorCode::device_failed, "it cannot begin");
        }
        done_ = fake_->step(sequences, output);
        return {};
    }
    [[nodiscard]] Result<void> finish() override {
        CHECK(std::exchange(is_under_way_, false));
        return done_;
    }
    [[nodiscard]] bool computes_by_itself() const noexcept override { return true; }

    int launches = 0;
    int fails_at = 0;

private:
    const std::unique_ptr<test::FakeBackend> fake_;
    Result<void> done_;
    bool is_under_way_ = false;
};

}  // namespace

TEST_CASE("gpu/engine: a step that cannot begin is not waited for, and is tried again") {
    for (const int fails_at : {1, 2, 4}) {
        CAPTURE(fails_at);
        auto device = std::make_unique<EagerDevice>(backend_of_x(2));
        device->fails_at = fails_at;
        EagerDevice& is = *device;
        auto engine = *Engine::open(std::move(device), std::make_shared<test::FakeTokenizer>(), {});
        GenerateRequest request{.id = 1, .prompt = "abc", .max_tokens = 4};
        MonoNanos now{1'000'000};
        engine->submit(std::move(request), now);
        std::vector<EngineOutput> outputs;
        std::string text;
        for (int i = 0; i < 20 && text.empty(); ++i) {
            if (engine->begin_step(now)) {
                engine->await_step(now);
                engine->end_step(now);
            } else {
                now = engine->look_again();
            }
            engine->take_outputs(outputs);
            for (const EngineOutput& output : outputs)
                text = std::get<Answer>(output).text;
        }
        CHECK(text == "xxxx");
        CHECK(is.launches == 5);
    }
}
