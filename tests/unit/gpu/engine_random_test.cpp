// Many requests of all kinds at random times, with cancels, deadlines and a device that fails at
// times: what must hold whatever happens.

#include "engine_fixture.hpp"

#include <casc/gpu/engine.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <map>
#include <random>
#include <string>

namespace casc::gpu {
namespace {

using namespace std::chrono_literals;
using test::EngineFixture;
using test::ExpectedAnswer;
using test::FakeBackend;

// All that can happen to an engine, from a seed.
class RandomLife {
public:
    explicit RandomLife(std::uint32_t seed)
        : random_(seed), fixture_(make_backend(), make_options()) {
        fixture_.backend->fails = [this](std::uint64_t) { return one_in(fails_one_in_); };
    }

    void live(int rounds) {
        for (int i = 0; i < rounds; ++i) {
            for (std::uint32_t n = below(4) / 2; n > 0; --n)
                submit();
            if (one_in(12)) cancel_one();
            if (one_in(20)) pass_through_step();
            if (!fixture_.step(std::chrono::microseconds(below(20'000) + 1)))
                fixture_.now = fixture_.now + std::chrono::microseconds(below(3000) + 1);
        }
        fixture_.run();
    }

    void check() {
        CHECK(fixture_.engine->running() == 0);
        CHECK(fixture_.engine->waiting() == 0);
        CHECK(fixture_.engine->free_slots() == fixture_.backend->limits().slot_count);
        REQUIRE(fixture_.answers.size() == requests_.size());
        for (const auto& [id, request] : requests_)
            check_answer(request, fixture_.answers.at(id), fixture_.streamed[id]);
        check_order_of_lanes();
    }

    std::array<int, 7> reasons{};  // how many answers ended so
    std::size_t begun_again() const { return fixture_.engine->metrics()->failed_steps.value(); }
    bool died() const { return fixture_.engine->failed(); }

private:
    static constexpr std::uint32_t kContext = 48;

    std::uint32_t below(std::uint32_t limit) {
        return static_cast<std::uint32_t>(random_() % limit);
    }
    bool one_in(std::uint32_t n) { return n != 0 && below(n) == 0; }

    std::unique_ptr<FakeBackend> make_backend() {
        const std::uint32_t slots = 1 + below(6);
        return std::make_unique<FakeBackend>(BackendLimits{
            .slot_count = slots, .context_tokens = kContext, .step_tokens_max = 4 + below(40)});
    }
    EngineOptions make_options() {
        EngineOptions options{.prompt_tokens_per_step = 1 + below(16)};
        options.batches.max_batch = 1 + below(8);
        options.batches.queue_capacity = options.batches.max_batch + below(20);
        if (one_in(3)) options.batches.step_objective = 8ms;
        fails_one_in_ = one_in(2) ? 60 : 0;
        return options;
    }
    std::string word(std::uint32_t bytes) {
        std::string text;
        for (; bytes > 0; --bytes)
            text += static_cast<char>('a' + below(8));
        return text;
    }
    void submit() {
        GenerateRequest request{.lane = static_cast<Lane>(below(4)),
                                .prompt = word(1 + below(one_in(4) ? kContext + 4 : 12)),
                                .max_tokens = 1 + below(30),
                                .seed = below(3)};
        if (one_in(8)) request.kind = RequestKind::embed;
        if (one_in(12)) request.prompt += '!';
        if (one_in(2)) request.sampling.temperature = 1;
        if (one_in(4)) request.deadline = fixture_.now + std::chrono::milliseconds(below(200));
        for (std::uint32_t stops = below(3); stops > 0; --stops)
            request.stops.push_back(word(1 + below(3)));
        request.streams = one_in(2);
        const RequestId id = fixture_.submit(request);
        request.id = id;
        requests_.emplace(id, request);
    }
    void cancel_one() {
        if (requests_.empty()) return;
        const RequestId id = requests_.rbegin()->first - below(5);
        static_cast<void>(fixture_.engine->cancel(id, fixture_.now));
    }
    // Things that come while the device works.
    void pass_through_step() {
        if (!fixture_.engine->begin_step(fixture_.now)) return;
        submit();
        cancel_one();
        cancel_one();
        fixture_.engine->await_step(fixture_.now);
        fixture_.now = fixture_.now + 5ms;
        fixture_.engine->end_step(fixture_.now);
        fixture_.collect();
    }

    void check_answer(const GenerateRequest& request, const Answer& answer,
                      const std::string& streamed) {
        ++reasons[static_cast<std::size_t>(answer.reason)];
        CAPTURE(request.prompt);
        const bool generates = request.kind == RequestKind::generate;
        const std::string text = request.streams ? streamed : answer.text;
        if (request.streams) CHECK(answer.text == "");
        CHECK((answer.error.code == ErrorCode::ok) == (answer.reason < FinishReason::cancelled));
        CHECK(answer.times.queued <= answer.times.total);
        CHECK(answer.times.first_token <= answer.times.total);
        if (answer.prompt_tokens != 0) CHECK(answer.prompt_tokens == request.prompt.size());
        if (answer.error.code != ErrorCode::ok) return check_unfinished(request, answer, text);
        CHECK(request.prompt.size() + (generates ? 1 : 0) <= kContext);
        CHECK(request.prompt.find('!') == std::string::npos);
        if (!generates) {
            CHECK(answer.values.size() == 4);
            return;
        }
        const ExpectedAnswer expected =
            test::expected_answer(request, fixture_.backend->answers, kContext);
        CHECK(text == expected.text);
        CHECK(answer.reason == expected.reason);
        CHECK(answer.answer_tokens == expected.answer_tokens);
    }
    void check_unfinished(const GenerateRequest& request, const Answer& answer,
                          const std::string& text) {
        if (answer.reason == FinishReason::timeout) CHECK(request.deadline <= fixture_.now);
        if (answer.error.code == ErrorCode::inference_failed)
            CHECK(request.prompt.find('!') != std::string::npos);
        if (request.kind != RequestKind::generate || text.empty()) return;
        const ExpectedAnswer expected =
            test::expected_answer(request, fixture_.backend->answers, kContext);
        CHECK(expected.raw.starts_with(text));
        CHECK(text.size() == answer.answer_tokens);
        CHECK(answer.answer_tokens <= expected.answer_tokens);
    }
    // Of a lane those who came first got their slots first.
    void check_order_of_lanes() {
        std::array<std::chrono::nanoseconds, kLaneCount> admitted{};
        for (const auto& [id, request] : requests_) {
            const Answer& answer = fixture_.answers.at(id);
            if (answer.answer_tokens == 0) continue;  // perhaps it never had one
            const auto at = arrivals_of(id) + answer.times.queued;
            auto& before = admitted[static_cast<std::size_t>(request.lane)];
            CHECK(at >= before);
            before = at;
        }
    }
    std::chrono::nanoseconds arrivals_of(RequestId id) const {
        return std::chrono::nanoseconds(fixture_.arrivals.at(id).value());
    }

    std::mt19937 random_;
    std::uint32_t fails_one_in_ = 0;
    EngineFixture fixture_;
    std::map<RequestId, GenerateRequest> requests_;
};

}  // namespace

TEST_CASE("gpu/engine: whatever happens, every request is answered once, and rightly") {
    std::array<int, 7> reasons{};
    std::size_t begun_again = 0;
    int died = 0;
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        RandomLife life(seed);
        life.live(300);
        life.check();
        for (std::size_t i = 0; i < reasons.size(); ++i)
            reasons[i] += life.reasons[i];
        begun_again += life.begun_again();
        died += life.died() ? 1 : 0;
    }
    // All of it has been seen.
    for (const int count : reasons)
        CHECK(count > 20);
    CHECK(begun_again > 20);
    CHECK(died > 0);
    CHECK(died < 30);
}

}  // namespace casc::gpu
