#include "infer_load.hpp"

#include <casc/gpu/stage.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

namespace casc::bench {
namespace {

using std::chrono::nanoseconds;

std::uint64_t nanos_between(MonoNanos from, MonoNanos to) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>((to - from).value(), 0));
}

// Pushes what is due and reads what has come, in one thread.
class StageLoad {
public:
    StageLoad(std::unique_ptr<gpu::Engine> engine, const InferPlan& plan,
              const std::vector<PlannedRequest>& requests)
        : plan_(plan),
          requests_(requests),
          metrics_(engine->metrics()),
          waker_(std::make_shared<ring::Waker>()),
          stage_(std::move(engine), {.command_capacity = 8192, .output_capacity = 8192}, waker_),
          links_(stage_.take_links()) {}

    InferOutcome run(const std::function<void(std::uint64_t)>& watch) {
        began_ = mono_now();
        while (ended_ < requests_.size()) {
            push_due();
            const std::size_t read = links_.outputs.drain(
                [this](gpu::EngineOutput&& output) { take(std::get<gpu::Answer>(output)); });
            if (read == 0) sleep();
            watch(ended_);
        }
        outcome_.seconds = static_cast<double>(nanos_between(began_, mono_now())) / 1e9;
        outcome_.asked = requests_.size();
        outcome_.metrics = metrics_;
        return std::move(outcome_);
    }

private:
    [[nodiscard]] MonoNanos due(std::size_t i) const { return began_ + requests_[i].at; }

    void push_due() {
        const MonoNanos now = mono_now();
        for (; pushed_ < requests_.size() && due(pushed_) <= now; ++pushed_) {
            gpu::GenerateRequest request = requests_[pushed_].request;
            request.deadline = due(pushed_) + plan_.deadline;
            if (!links_.commands[0].try_push(std::move(request)))
                throw std::runtime_error("more requests wait than the ring to the stage holds");
        }
    }

    void sleep() {
        constexpr nanoseconds kLookAgain = std::chrono::milliseconds(100);
        const auto has_news = [this] { return links_.outputs.ready(); };
        nanoseconds left = kLookAgain;
        if (pushed_ < requests_.size())
            left = std::min(left, nanoseconds((due(pushed_) - mono_now()).value()));
        if (left.count() > 0) waker_->wait(has_news, left);
    }

    void take(const gpu::Answer& answer) {
        ++ended_;
        if (answer.error.code == ErrorCode::ok) return count(answer);
        if (answer.error.code == ErrorCode::timeout) {
            ++outcome_.late;
        } else if (answer.error.code == ErrorCode::model_overloaded) {
            ++outcome_.rejected;
        } else {
            ++outcome_.failed;
            if (outcome_.trouble.empty()) outcome_.trouble = answer.error.message();
        }
    }

    void count(const gpu::Answer& answer) {
        const auto& planned = requests_[answer.id - 1];
        const std::uint64_t total = nanos_between(began_ + planned.at, mono_now());
        const auto growing =
            static_cast<std::uint64_t>((answer.times.total - answer.times.first_token).count());
        ++outcome_.answered;
        outcome_.answer_tokens += answer.answer_tokens;
        outcome_.request[static_cast<std::size_t>(planned.request.lane)].record(total);
        outcome_.first_token.record(total - std::min(total, growing));
        if (answer.answer_tokens > 1)
            outcome_.per_token.record(growing / (answer.answer_tokens - 1));
    }

    const InferPlan& plan_;
    const std::vector<PlannedRequest>& requests_;
    const std::shared_ptr<const gpu::EngineMetrics> metrics_;
    const std::shared_ptr<ring::Waker> waker_;
    gpu::Stage stage_;
    gpu::StageLinks links_;
    MonoNanos began_;
    std::size_t pushed_ = 0;
    std::size_t ended_ = 0;
    InferOutcome outcome_;
};

}  // namespace

std::vector<PlannedRequest> planned_requests(const InferPlan& plan, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::exponential_distribution<double> gap(plan.requests_per_second);
    std::discrete_distribution<std::size_t> lane({1, 2, 5, 2});  // critical first
    std::uniform_int_distribution<std::uint32_t> prompt(plan.prompt_tokens[0],
                                                        plan.prompt_tokens[1]);
    std::uniform_int_distribution<std::uint32_t> answer(plan.answer_tokens[0],
                                                        plan.answer_tokens[1]);
    std::uniform_int_distribution<gpu::TokenId> token(3, plan.vocabulary_size - 1);
    std::vector<PlannedRequest> all;
    const double seconds = std::chrono::duration<double>(plan.duration).count();
    for (double at = gap(random); at < seconds; at += gap(random)) {
        PlannedRequest& planned = all.emplace_back();
        planned.at = nanoseconds(static_cast<std::int64_t>(at * 1e9));
        planned.request.id = all.size();
        planned.request.lane = kLanes[lane(random)];
        planned.request.max_tokens = answer(random);
        planned.request.prompt_tokens.resize(prompt(random));
        std::ranges::generate(planned.request.prompt_tokens, [&] { return token(random); });
    }
    return all;
}

InferOutcome load_stage(std::unique_ptr<gpu::Engine> engine, const InferPlan& plan,
                        const std::vector<PlannedRequest>& requests,
                        const std::function<void(std::uint64_t answered)>& watch) {
    return StageLoad(std::move(engine), plan, requests).run(watch);
}

}  // namespace casc::bench
