// An engine on a thread of its own, with rings to and from it. Meant to be run under the thread
// sanitizer too.

#include "fake_backend.hpp"

#include <casc/gpu/host_backend.hpp>
#include <casc/gpu/stage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace casc::gpu {
namespace {

using test::FakeBackend;
using test::FakeTokenizer;

constexpr BackendLimits kStageLimits{.slot_count = 8, .context_tokens = 64, .step_tokens_max = 64};

// Holds every step until it is let go.
class GatedBackend final : public HostBackend {
public:
    explicit GatedBackend(std::atomic<int>& steps_allowed)
        : fake_(kStageLimits), steps_allowed_(steps_allowed) {
        fake_.answers.ends_one_in = 0;
    }
    ~GatedBackend() override {
        for (const std::string& wrong : fake_.wrong)
            FAIL_CHECK(wrong);
    }
    [[nodiscard]] std::string_view name() const noexcept override { return "gated"; }
    [[nodiscard]] const ModelConfig& model() const noexcept override { return fake_.model(); }
    [[nodiscard]] const BackendLimits& limits() const noexcept override { return fake_.limits(); }

private:
    [[nodiscard]] Result<void> compute(std::span<const SequenceStep> sequences,
                                       StepOutput& output) override {
        int allowed = steps_allowed_.load();
        while (allowed == 0) {
            steps_allowed_.wait(0);
            allowed = steps_allowed_.load();
        }
        steps_allowed_.fetch_sub(1);
        return fake_.step(sequences, output);
    }

    FakeBackend fake_;
    std::atomic<int>& steps_allowed_;
};

std::unique_ptr<Engine> stage_engine(std::unique_ptr<Backend> backend,
                                     const EngineOptions& options = {}) {
    auto opened = Engine::open(std::move(backend), std::make_shared<FakeTokenizer>(), options);
    REQUIRE(opened);
    return *std::move(opened);
}

struct StageFixture {
    std::atomic<int> steps_allowed{1 << 30};
    std::shared_ptr<ring::Waker> waker = std::make_shared<ring::Waker>();
    std::unique_ptr<Stage> stage;
    StageLinks links;
    std::map<RequestId, Answer> answers;
    std::map<RequestId, std::string> streamed;
    std::vector<RequestId> order;  // whose pieces and answers have come

    explicit StageFixture(const StageOptions& options = {}, int allowed = 1 << 30,
                          const EngineOptions& engine_options = {})
        : steps_allowed(allowed),
          stage(std::make_unique<Stage>(
              stage_engine(std::make_unique<GatedBackend>(steps_allowed), engine_options), options,
              waker)),
          links(stage->take_links()) {}
    ~StageFixture() { allow(1 << 20); }  // a step that is held back would never end

    void allow(int steps) {
        steps_allowed.fetch_add(steps);
        steps_allowed.notify_all();
    }
    [[nodiscard]] bool push(StageCommand command, std::size_t producer = 0) {
        return links.commands[producer].try_push(std::move(command));
    }
    [[nodiscard]] bool ask(RequestId id, std::uint32_t max_tokens = 8) {
        return push(GenerateRequest{.id = id, .prompt = "abc", .max_tokens = max_tokens});
    }
    void take(EngineOutput&& output) {
        if (auto* const piece = std::get_if<TextPiece>(&output)) {
            order.push_back(piece->id);
            streamed[piece->id] += piece->text;
            return;
        }
        auto& answer = std::get<Answer>(output);
        const RequestId id = answer.id;
        order.push_back(id);
        CHECK(answers.emplace(id, std::move(answer)).second);
    }
    // Sleeps until something has come, and takes it.
    void read_some() {
        if (links.outputs.drain([this](EngineOutput&& out) { take(std::move(out)); }) == 0)
            waker->wait([this] { return links.outputs.ready(); });
    }
    const Answer& answer_to(RequestId id) {
        while (!answers.contains(id))
            read_some();
        return answers.at(id);
    }
    void read_to_the_end() {
        while (links.outputs.state() != ring::RingState::closed)
            read_some();
    }
    void close_producers() { links.commands.clear(); }
};

}  // namespace

TEST_CASE("gpu/stage: a request comes back answered") {
    StageFixture f;
    REQUIRE(f.ask(7));
    CHECK(f.answer_to(7).reason == FinishReason::length);
    CHECK(f.answer_to(7).text.size() == 8);
    CHECK(f.stage->state() == StageState::open);
}

TEST_CASE("gpu/stage: one that is refused comes back at once with its reason") {
    StageFixture f({}, 0);
    REQUIRE(f.push(GenerateRequest{.id = 7, .prompt = ""}));
    CHECK(f.answer_to(7).error.code == ErrorCode::invalid_request);
}

TEST_CASE("gpu/stage: text is streamed, and all of it before the answer") {
    StageFixture f;
    REQUIRE(f.push(GenerateRequest{.id = 1, .prompt = "abc", .max_tokens = 20, .streams = true}));
    REQUIRE(f.ask(2, 20));
    CHECK(f.answer_to(1).text == "");
    CHECK(f.answer_to(2).text == f.streamed[1]);
}

TEST_CASE("gpu/stage: the text of a step goes out while the next one is computed") {
    StageFixture f({}, 1);
    REQUIRE(f.push(GenerateRequest{.id = 1, .prompt = "abc", .max_tokens = 20, .streams = true}));
    while (f.streamed[1].empty())
        f.read_some();  // the second step is held back
    CHECK(f.streamed[1].size() == 1);
}

TEST_CASE("gpu/stage: who is cancelled is answered, and of others a cancel means nothing") {
    StageFixture f({}, 2);
    REQUIRE(f.ask(1, 60));
    REQUIRE(f.push(CancelRequest{99}));
    REQUIRE(f.push(CancelRequest{1}));
    f.allow(1 << 20);
    CHECK(f.answer_to(1).reason == FinishReason::cancelled);
}

TEST_CASE("gpu/stage: a request that comes after its deadline is told so") {
    StageFixture f;
    REQUIRE(f.push(GenerateRequest{.id = 1, .deadline = MonoNanos(1), .prompt = "abc"}));
    CHECK(f.answer_to(1).reason == FinishReason::timeout);
}

TEST_CASE("gpu/stage: when its outputs are full it takes nothing more, and loses nothing") {
    StageFixture f({.producer_count = 1, .command_capacity = 4, .output_capacity = 2});
    RequestId pushed = 0;
    // Two answers fill the ring, one is left over, and then four commands fill theirs: until so
    // many were pushed it may not have woken up yet. It may have been at a turn of 256 before.
    constexpr RequestId kFull = 2 + 1 + 4;
    constexpr RequestId kFullMost = 2 + 256 + 4;
    const auto fill = [&] {
        int refused = 0;
        while (refused < 200 || pushed < kFull) {
            if (f.push(GenerateRequest{.id = pushed + 1, .prompt = ""})) {
                ++pushed;
                refused = 0;
            } else {
                ++refused;
                std::this_thread::yield();
            }
            if (pushed > kFullMost) return false;
        }
        return true;
    };
    CHECK(fill());
    for (RequestId id = 1; id <= pushed; ++id)
        CHECK(f.answer_to(id).error.code == ErrorCode::invalid_request);
    CHECK(f.answers.size() == pushed);
}

TEST_CASE(
    "gpu/stage: prompts that take long to tokenise keep no step waiting for more than a few") {
    constexpr std::size_t kBytes = kPromptBytesPerToken * kStageLimits.context_tokens;  // 16 KiB
    constexpr std::size_t kPrompts = 64;
    constexpr std::size_t kPerTurn = 256 * 1024 / kBytes;
    StageFixture f({}, 1);
    REQUIRE(f.push(GenerateRequest{.id = 1, .prompt = "a", .max_tokens = 60, .streams = true}));
    while (f.steps_allowed.load() != 0)
        std::this_thread::yield();                   // its first step has begun
    for (RequestId id = 2; id < 2 + kPrompts; ++id)  // each has too many tokens
        REQUIRE(f.push(GenerateRequest{.id = id, .prompt = std::string(kBytes, 'x')}));
    f.allow(1 << 20);
    CHECK(f.answer_to(1).reason == FinishReason::length);
    std::size_t between_steps = 0;
    std::size_t refused = 0;
    for (const RequestId id : f.order) {
        between_steps = id == 1 ? 0 : between_steps + 1;
        refused += id == 1 ? 0u : 1u;
        CHECK(between_steps <= kPerTurn);
    }
    CHECK(refused == kPrompts);
}

TEST_CASE("gpu/stage: long prompts of one producer do not keep out another one") {
    constexpr std::size_t kBytes = kPromptBytesPerToken * kStageLimits.context_tokens;
    StageFixture f({.producer_count = 2}, 1);
    REQUIRE(f.ask(1, 60));
    while (f.steps_allowed.load() != 0)
        std::this_thread::yield();
    for (RequestId id = 2; id < 66; ++id)
        REQUIRE(f.push(GenerateRequest{.id = id, .prompt = std::string(kBytes, 'x')}, 0));
    REQUIRE(f.push(GenerateRequest{.id = 99, .prompt = ""}, 1));
    f.allow(1 << 20);
    CHECK(f.answer_to(99).error.code == ErrorCode::invalid_request);
    // A turn that had begun before, and one that began with the other producer.
    CHECK(std::ranges::find(f.order, RequestId{99}) - f.order.begin() <= 32);
}

TEST_CASE("gpu/stage: requests of several threads are all answered once, through small rings") {
    constexpr std::size_t kThreads = 3;
    constexpr std::uint64_t kEach = 2000;
    EngineOptions options;  // with room for all of them in a lane
    options.batches.queue_capacity = kThreads * kEach;
    StageFixture f({.producer_count = kThreads, .command_capacity = 16, .output_capacity = 16},
                   1 << 30, options);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i)
        threads.emplace_back([i, tx = std::move(f.links.commands[i])]() mutable {
            for (std::uint64_t n = 0; n < kEach;) {
                GenerateRequest request{.id = i * kEach + n, .prompt_tokens = {'a', 'b'}};
                request.max_tokens = 1 + static_cast<std::uint32_t>(n % 4);
                request.lane = static_cast<Lane>(n % 4);
                request.streams = n % 3 == 0;
                if (!tx.try_push(std::move(request))) {
                    std::this_thread::yield();
                    continue;
                }
                if (n % 7 == 0) static_cast<void>(tx.try_push(CancelRequest{i * kEach + n}));
                ++n;
            }
        });
    f.close_producers();
    f.read_to_the_end();
    for (std::thread& thread : threads)
        thread.join();
    CHECK(f.answers.size() == kThreads * kEach);
    std::size_t done = 0;
    for (const auto& [id, answer] : f.answers) {
        done += answer.reason == FinishReason::length ? 1 : 0;
        CHECK((answer.reason == FinishReason::length || answer.reason == FinishReason::cancelled));
    }
    CHECK(done >= kThreads * kEach * 6 / 7);
    CHECK(f.stage->state() == StageState::closed);
}

// ---- the end ------------------------------------------------------------------------------------

TEST_CASE("gpu/stage: closed, it answers what is under way and refuses what comes") {
    StageFixture f({}, 1);
    REQUIRE(f.ask(1));
    while (f.steps_allowed.load() != 0)
        std::this_thread::yield();  // its first step has begun
    f.stage->close(Unfinished::answered);
    CHECK(f.stage->state() == StageState::draining);
    // Its second step may have begun before; the order is obeyed before the third.
    f.allow(2);
    while (f.steps_allowed.load() != 0)
        std::this_thread::yield();
    REQUIRE(f.ask(2));
    f.allow(1 << 20);
    f.close_producers();
    f.read_to_the_end();
    CHECK(f.answer_to(1).reason == FinishReason::length);
    CHECK(f.answer_to(2).error.code == ErrorCode::shutting_down);
    CHECK(f.stage->state() == StageState::closed);
}

// It refused what its owner had handed over just before.
TEST_CASE("gpu/stage: what was pushed before it was closed is answered") {
    StageFixture f({}, 1);
    REQUIRE(f.ask(1));
    while (f.steps_allowed.load() != 0)
        std::this_thread::yield();
    for (RequestId id = 2; id <= 40; ++id)
        REQUIRE(f.ask(id));
    f.stage->close(Unfinished::answered);
    f.allow(1 << 20);
    f.close_producers();
    f.read_to_the_end();
    for (RequestId id = 1; id <= 40; ++id)
        CHECK(f.answer_to(id).reason == FinishReason::length);
}

TEST_CASE("gpu/stage: closed at once, it hands back what is under way with what there is") {
    StageFixture f({}, 1);
    REQUIRE(f.ask(1, 60));
    while (f.steps_allowed.load() != 0)
        std::this_thread::yield();
    f.stage->close(Unfinished::answered);
    f.stage->close(Unfinished::handed_back);
    f.allow(1 << 20);
    CHECK(f.answer_to(1).error.code == ErrorCode::shutting_down);
    CHECK(f.answer_to(1).text.size() <= 2);
    REQUIRE(f.ask(2));
    f.close_producers();
    f.read_to_the_end();
    CHECK(f.answer_to(2).error.code == ErrorCode::shutting_down);
}

TEST_CASE("gpu/stage: it closes when its producers have, and all is answered") {
    StageFixture f;
    for (RequestId id = 0; id < 50; ++id)
        REQUIRE(f.ask(id));
    f.close_producers();
    f.read_to_the_end();
    CHECK(f.answers.size() == 50);
    for (const auto& [id, answer] : f.answers)
        CHECK(answer.reason == FinishReason::length);
}

TEST_CASE("gpu/stage: it can be destroyed with requests under way and outputs unread") {
    StageFixture f({.producer_count = 1, .command_capacity = 64, .output_capacity = 2});
    for (RequestId id = 0; id < 30; ++id)
        REQUIRE(f.ask(id, 60));
    CHECK(f.stage->state() == StageState::open);
    f.stage.reset();
    CHECK(f.links.commands[0].state() == ring::RingState::closed);
    while (f.links.outputs.try_pop()) {
    }
    CHECK(f.links.outputs.state() == ring::RingState::closed);
}

// It slept for ever.
TEST_CASE("gpu/stage: an idle one can be destroyed while its links live on") {
    StageFixture f;
    REQUIRE(f.ask(1));
    CHECK(f.answer_to(1).reason == FinishReason::length);
    f.stage.reset();
    CHECK(f.links.commands[0].state() == ring::RingState::closed);
    CHECK(f.links.outputs.state() == ring::RingState::closed);
}

TEST_CASE("gpu/stage: one whose links nobody has taken can be destroyed") {
    const Stage stage(stage_engine(std::make_unique<FakeBackend>(kStageLimits)),
                      {.producer_count = 2}, nullptr);
    CHECK(stage.state() == StageState::open);
}

TEST_CASE("gpu/stage: one that drains, and waits for its producers, can be destroyed") {
    StageFixture f;
    f.stage->close(Unfinished::handed_back);
    REQUIRE(f.ask(1));
    CHECK(f.answer_to(1).error.code == ErrorCode::shutting_down);
    f.stage.reset();
    CHECK(f.links.commands[0].state() == ring::RingState::closed);
}

TEST_CASE("gpu/stage: a reader that has gone is not waited for") {
    StageFixture f({.producer_count = 1, .command_capacity = 64, .output_capacity = 2});
    f.links.outputs.abandon();
    for (RequestId id = 0; id < 30; ++id)
        REQUIRE(f.ask(id));
    f.close_producers();
    while (f.stage->state() != StageState::closed)
        std::this_thread::yield();
}

}  // namespace casc::gpu
