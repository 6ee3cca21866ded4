// How far from the speed of memory the CPU backend is: a model of 110 million random numbers, of
// which each step reads all once. Decoding for one sequence cannot be faster than that reading, and
// for eight it should hardly be slower. `of_read_bandwidth` is its share of what as many threads
// reach that only read the same bytes of the same mapping, measured beside it.
//
//   casc-bench-gpu-cpu_decode --benchmark_repetitions=5 --benchmark_report_aggregates_only=true

#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/random_model.hpp>
#include <casc/gpu/read_bandwidth.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <utility>

namespace casc::gpu {
namespace {

ModelWeights random_model(ElementType type) {
    RandomModelShape shape;
    shape.type = type;
    auto weights = make_random_model(shape, 1);
    if (!weights) {
        std::cerr << weights.error().message() << '\n';
        std::abort();
    }
    return *std::move(weights);
}

// What the weights lie in; matrices are one behind the other in the file, by the shapes' order.
std::span<const std::byte> bytes_of(const ModelWeights& weights) {
    return {weights.embedding().data, weights.bytes()};
}

struct LoadedModel {
    std::unique_ptr<CpuBackend> backend;
    std::span<const std::byte> bytes;
    std::size_t threads = std::max(1u, std::thread::hardware_concurrency());

    explicit LoadedModel(ElementType type) {
        ModelWeights weights = random_model(type);
        bytes = bytes_of(weights);
        auto made = CpuBackend::make(
            std::move(weights), {.threads = threads, .slot_count = 32, .step_tokens_max = 512});
        if (!made) std::abort();
        backend = *std::move(made);
    }
};

LoadedModel& loaded_model(ElementType type) {
    if (type == ElementType::f32) {
        static LoadedModel floats(ElementType::f32);
        return floats;
    }
    static LoadedModel halves(ElementType::bf16);
    return halves;
}

// A token more for each of some sequences, which have up to 128.
void BM_CpuDecode(benchmark::State& state, ElementType type) {
    LoadedModel& model = loaded_model(type);
    const auto batch = static_cast<std::size_t>(state.range(0));
    std::vector<TokenId> tokens(batch, 1);
    StepOutput output;
    std::uint32_t position = 0;
    double bandwidth = read_bandwidth(model.bytes, model.threads);
    const auto begin = std::chrono::steady_clock::now();
    for (auto _ : state) {
        std::vector<SequenceStep> steps;
        for (std::size_t i = 0; i < batch; ++i)
            steps.push_back({.slot = static_cast<SlotId>(i),
                             .position = position,
                             .tokens = std::span(tokens).subspan(i, 1),
                             .wanted = Wanted::token});
        if (!model.backend->step(steps, output)) std::abort();
        benchmark::DoNotOptimize(output.rows[0].token);
        position = (position + 1) % 128;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    bandwidth = std::max(bandwidth, read_bandwidth(model.bytes, model.threads));
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(model.bytes.size()));
    state.counters["read_bandwidth"] = bandwidth;
    state.counters["of_read_bandwidth"] = static_cast<double>(model.bytes.size()) *
                                          static_cast<double>(state.iterations()) / took.count() /
                                          bandwidth;
    state.SetLabel(std::string(model.backend->kernels()));
}
BENCHMARK_CAPTURE(BM_CpuDecode, bf16, ElementType::bf16)
    ->ArgName("batch")
    ->Arg(1)
    ->Arg(8)
    ->Arg(32)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(BM_CpuDecode, f32, ElementType::f32)
    ->ArgName("batch")
    ->Arg(1)
    ->Arg(8)
    ->Arg(32)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// A whole prompt in one step: what computing alone allows.
void BM_CpuPrompt(benchmark::State& state) {
    LoadedModel& model = loaded_model(ElementType::bf16);
    const ModelConfig& config = model.backend->model();
    std::vector<TokenId> tokens(static_cast<std::size_t>(state.range(0)));
    for (std::size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = static_cast<TokenId>(i * 37 % config.vocabulary_size);
    StepOutput output;
    const SequenceStep step{.tokens = tokens, .wanted = Wanted::token};
    for (auto _ : state)
        if (!model.backend->step({&step, 1}, output)) std::abort();
    state.SetItemsProcessed(state.iterations() * state.range(0));
    // Two operations for each weight and token, but for those of the embedding.
    const auto embedding = static_cast<double>(config.vocabulary_size * config.hidden_size);
    const double weights = static_cast<double>(model.bytes.size()) / 2 - embedding;
    state.counters["operations"] =
        benchmark::Counter(2 * weights * static_cast<double>(tokens.size()),
                           benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(BM_CpuPrompt)
    ->ArgName("tokens")
    ->Arg(64)
    ->Arg(512)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace casc::gpu
