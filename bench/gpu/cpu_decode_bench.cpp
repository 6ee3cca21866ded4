// How far from the speed of memory the CPU backend is: a model of 110 million random numbers, of
// which each step reads all once. Decoding for one sequence cannot be faster than that reading, and
// for eight it should hardly be slower. `of_read_bandwidth` is its share of what as many threads
// reach that only read the same bytes of the same mapping, measured beside it.
//
//   casc-bench-gpu-cpu_decode --benchmark_repetitions=5 --benchmark_report_aggregates_only=true

#include <casc/gpu/cpu_backend.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <thread>
#include <utility>

namespace casc::gpu {
namespace {

constexpr std::size_t kHidden = 768;
constexpr std::size_t kInner = 2048;
constexpr std::size_t kKv = 256;  // four heads of 64
constexpr std::size_t kWords = 32'000;
constexpr std::size_t kLayers = 13;

const char kConfig[] = R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"],
    "hidden_size": 768, "num_hidden_layers": 13, "num_attention_heads": 12,
    "num_key_value_heads": 4, "intermediate_size": 2048, "vocab_size": 32000,
    "max_position_embeddings": 640, "tie_word_embeddings": true})";

using Shapes = std::vector<std::pair<std::string, std::vector<std::size_t>>>;

Shapes model_shapes() {
    Shapes shapes = {{"model.embed_tokens.weight", {kWords, kHidden}},
                     {"model.norm.weight", {kHidden}}};
    for (std::size_t i = 0; i < kLayers; ++i) {
        const std::string layer = "model.layers." + std::to_string(i) + ".";
        shapes.insert(shapes.end(), {{layer + "input_layernorm.weight", {kHidden}},
                                     {layer + "self_attn.q_proj.weight", {kHidden, kHidden}},
                                     {layer + "self_attn.k_proj.weight", {kKv, kHidden}},
                                     {layer + "self_attn.v_proj.weight", {kKv, kHidden}},
                                     {layer + "self_attn.o_proj.weight", {kHidden, kHidden}},
                                     {layer + "post_attention_layernorm.weight", {kHidden}},
                                     {layer + "mlp.gate_proj.weight", {kInner, kHidden}},
                                     {layer + "mlp.up_proj.weight", {kInner, kHidden}},
                                     {layer + "mlp.down_proj.weight", {kHidden, kInner}}});
    }
    return shapes;
}

// Numbers of either sign around 1/64, as bf16 or as the float that has it for its upper half.
void append_random(std::string& data, std::size_t bytes, std::size_t element,
                   std::mt19937& random) {
    const std::size_t begin = data.size();
    data.resize(begin + bytes);
    for (std::size_t at = begin; at < data.size(); at += element) {
        const auto bits = static_cast<std::uint16_t>(0x3c00 | (random() & 0x80ff));
        std::memcpy(&data[at + element - sizeof bits], &bits, sizeof bits);
    }
}

void write_model(const std::filesystem::path& folder, ElementType type) {
    const std::size_t element = element_bytes(type);
    std::mt19937 random(1);
    std::string header;
    std::string data;
    for (const auto& [name, shape] : model_shapes()) {
        const std::size_t bytes = element * shape[0] * (shape.size() == 2 ? shape[1] : 1);
        header += (header.empty() ? "{\"" : ", \"") + name + R"(": {"dtype": ")" +
                  std::string(to_string(type)) + R"(", "shape": [)" + std::to_string(shape[0]) +
                  (shape.size() == 2 ? ", " + std::to_string(shape[1]) : "") +
                  R"(], "data_offsets": [)" + std::to_string(data.size()) + ", " +
                  std::to_string(data.size() + bytes) + "]}";
        append_random(data, bytes, element, random);
    }
    header += '}';
    header.append((8 - header.size() % 8) % 8, ' ');
    const std::uint64_t header_bytes = header.size();
    std::ofstream file(folder / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
    file << header << data;
    std::ofstream(folder / "config.json") << kConfig;
}

ModelWeights random_model(ElementType type) {
    std::string name = (std::filesystem::temp_directory_path() / "casc-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    write_model(name, type);
    auto weights = ModelWeights::open(name);
    std::filesystem::remove_all(name);  // what is mapped stays until it is not
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

std::uint64_t sum_of(std::span<const std::byte> bytes) {
    std::uint64_t sums[8] = {};
    for (std::size_t at = 0; at + sizeof sums <= bytes.size(); at += sizeof sums) {
        std::uint64_t words[8];
        std::memcpy(words, &bytes[at], sizeof words);
        for (std::size_t i = 0; i < 8; ++i)
            sums[i] += words[i];
    }
    return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

void read_all(std::span<const std::byte> bytes, std::size_t threads) {
    const std::size_t share = bytes.size() / threads / 64 * 64;
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < threads; ++i)
        readers.emplace_back([part = bytes.subspan(i * share, share)] {
            std::uint64_t sum = sum_of(part);
            benchmark::DoNotOptimize(sum);
        });
    for (std::thread& reader : readers)
        reader.join();
}

// Bytes per second, the best of ten.
double read_bandwidth(std::span<const std::byte> bytes, std::size_t threads) {
    double best = 0;
    for (int i = 0; i < 10; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        read_all(bytes, threads);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        best = std::max(best, static_cast<double>(bytes.size()) / took.count());
    }
    return best;
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
    std::vector<TokenId> tokens(static_cast<std::size_t>(state.range(0)));
    for (std::size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = static_cast<TokenId>(i * 37 % kWords);
    StepOutput output;
    const SequenceStep step{.tokens = tokens, .wanted = Wanted::token};
    for (auto _ : state)
        if (!model.backend->step({&step, 1}, output)) std::abort();
    state.SetItemsProcessed(state.iterations() * state.range(0));
    // Two operations for each weight and token, but for those of the embedding.
    const double weights = static_cast<double>(model.bytes.size()) / 2 - kWords * kHidden;
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
