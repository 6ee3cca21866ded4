// What the inference stage adds to a model: how many requests a second go through rings, batcher
// and engine when computing them costs nothing, and how long a lone one takes to the backend and
// back. Beside it what sampling costs of a large vocabulary.
//
// Three parties want a processor here (the producer, the stage and the reader, here one thread with
// the producer); on two, what the scheduler does is part of the latency.

#include <casc/gpu/host_backend.hpp>
#include <casc/gpu/sampling.hpp>
#include <casc/gpu/stage.hpp>
#include <casc/types/clock.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace casc::gpu {
namespace {

// Ends every answer with its first token.
class IdleBackend final : public HostBackend {
public:
    explicit IdleBackend(std::uint32_t slots)
        : limits_{.slot_count = slots, .context_tokens = 64, .step_tokens_max = 8192} {
        config_.vocabulary_size = 256;
        config_.context_tokens = 64;
        config_.end_tokens = {0};
    }
    [[nodiscard]] std::string_view name() const noexcept override { return "idle"; }
    [[nodiscard]] const ModelConfig& model() const noexcept override { return config_; }
    [[nodiscard]] const BackendLimits& limits() const noexcept override { return limits_; }

private:
    [[nodiscard]] Result<void> compute(std::span<const SequenceStep> sequences,
                                       StepOutput& output) override {
        output.rows.assign(sequences.size(), {.token = 0, .values = {}, .failed = {}});
        return {};
    }

    ModelConfig config_;
    const BackendLimits limits_;
};

class NoTokenizer final : public Tokenizer {
public:
    [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view,
                                                      SpecialTokens) const override {
        return std::vector<TokenId>{1};
    }
    [[nodiscard]] std::string_view bytes_of(TokenId) const noexcept override { return {}; }
    [[nodiscard]] std::size_t vocabulary_size() const noexcept override { return 256; }
};

std::unique_ptr<Engine> idle_engine(std::uint32_t slots) {
    EngineOptions options;
    options.batches.max_batch = slots;
    options.batches.queue_capacity = 8192;
    auto opened = Engine::open(std::make_unique<IdleBackend>(slots),
                               std::make_shared<NoTokenizer>(), options);
    if (!opened) std::abort();
    return *std::move(opened);
}

GenerateRequest small_request(RequestId id) {
    GenerateRequest request{.id = id, .prompt_tokens = {1, 2, 3, 4}};
    request.max_tokens = 1;
    return request;
}

// The engine alone, in one thread: submit, line, slot, step, answer.
void BM_EngineRequests(benchmark::State& state) {
    const auto batch = static_cast<std::uint32_t>(state.range(0));
    const auto engine = idle_engine(batch);
    std::vector<EngineOutput> outputs;
    RequestId id = 0;
    std::int64_t now = 1'000'000'000;
    for (auto _ : state) {
        for (std::uint32_t i = 0; i < batch; ++i)
            engine->submit(small_request(++id), MonoNanos(now));
        // At a made-up time, which is late enough for any wait.
        while (engine->waiting() != 0)
            if (engine->begin_step(MonoNanos(now += 200'000'000))) {
                engine->await_step(MonoNanos(now));
                engine->end_step(MonoNanos(now));
            }
        engine->take_outputs(outputs);
        benchmark::DoNotOptimize(outputs.size());
    }
    state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(BM_EngineRequests)->ArgName("batch_count")->Arg(1)->Arg(32)->Arg(256);

// Through the rings: one thread pushes and reads, the stage does the rest. As many are under way as
// the argument says.
void BM_StageRequests(benchmark::State& state) {
    const auto under_way_max = static_cast<std::uint64_t>(state.range(0));
    const auto waker = std::make_shared<ring::Waker>();
    Stage stage(idle_engine(256), {.command_capacity = 8192, .output_capacity = 8192}, waker);
    StageLinks links = stage.take_links();
    std::uint64_t pushed = 0;
    std::uint64_t answered = 0;
    const auto read = [&] {
        answered += links.outputs.drain(
            [](EngineOutput&& output) { benchmark::DoNotOptimize(output.index()); });
    };
    for (auto _ : state) {
        while (pushed - answered >= under_way_max) {
            read();
            if (pushed - answered < under_way_max) break;
            waker->wait([&] { return links.outputs.ready(); });
        }
        if (!links.commands[0].try_push(small_request(pushed))) std::abort();
        ++pushed;
    }
    while (answered < pushed)
        read();
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_StageRequests)->ArgName("under_way")->Arg(256)->Arg(4096)->UseRealTime();

void count_latencies(benchmark::State& state, std::vector<std::int64_t> nanos) {
    std::ranges::sort(nanos);
    const auto at = [&](double share) {
        const auto index = static_cast<std::size_t>(share * static_cast<double>(nanos.size() - 1));
        return static_cast<double>(nanos[index]) / 1000;
    };
    state.counters["p50_us"] = at(0.5);
    state.counters["p99_us"] = at(0.99);
    state.counters["p99.9_us"] = at(0.999);
}

// A lone request from the producer's push to the reader's hand, both awake: four handovers of a
// cache line and all the work of the engine.
void BM_StageRoundTrip(benchmark::State& state) {
    Stage stage(idle_engine(32), {}, nullptr);
    StageLinks links = stage.take_links();
    std::vector<std::int64_t> nanos;
    RequestId id = 0;
    for (auto _ : state) {
        const MonoNanos began = mono_now();
        if (!links.commands[0].try_push(small_request(++id))) std::abort();
        while (!links.outputs.try_pop()) {
        }
        nanos.push_back((mono_now() - began).value());
    }
    count_latencies(state, std::move(nanos));
}
BENCHMARK(BM_StageRoundTrip)->UseRealTime();

// The same when requests are rare, so that each finds the stage asleep and its reader goes to
// sleep: two wake-ups more.
void BM_StageRoundTripAsleep(benchmark::State& state) {
    const auto waker = std::make_shared<ring::Waker>();
    Stage stage(idle_engine(32), {}, waker);
    StageLinks links = stage.take_links();
    std::vector<std::int64_t> nanos;
    RequestId id = 0;
    for (auto _ : state) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        const MonoNanos began = mono_now();
        if (!links.commands[0].try_push(small_request(++id))) std::abort();
        while (!links.outputs.try_pop())
            waker->wait([&] { return links.outputs.ready(); });
        nanos.push_back((mono_now() - began).value());
        state.SetIterationTime(static_cast<double>(nanos.back()) * 1e-9);
    }
    count_latencies(state, std::move(nanos));
}
BENCHMARK(BM_StageRoundTripAsleep)->UseManualTime()->Iterations(5000);

// A token of a vocabulary of 128k, as an answer needs one for each of its steps.
void BM_Sample(benchmark::State& state) {
    std::mt19937 random(1);
    std::normal_distribution<float> logit(0, 3);
    std::vector<float> logits(128 * 1024);
    for (float& value : logits)
        value = logit(random);
    const Sampling sampling{.temperature = state.range(0) == 0 ? 0.0f : 0.8f,
                            .top_p = static_cast<float>(state.range(2)) / 100,
                            .top_k = static_cast<std::uint32_t>(state.range(1))};
    std::uint32_t position = 0;
    for (auto _ : state)
        benchmark::DoNotOptimize(sample(logits, sampling, draw_at(1, ++position)));
}
BENCHMARK(BM_Sample)
    ->ArgNames({"warm", "top_k", "top_p_percent"})
    ->Args({0, 0, 100})
    ->Args({1, 0, 100})
    ->Args({1, 40, 100})
    ->Args({1, 0, 90})
    ->Args({1, 40, 90})
    ->Args({1, 100'000, 90});

}  // namespace
}  // namespace casc::gpu
