// casc-gpu-bench: how fast the backends of this machine decode, and how far that is from reading
// what a step must read once. Needs no packages; `casc-bench infer` measures a whole stage.
//
//   casc-gpu-bench [small|phi3-mini] [context tokens] [cpu|cuda|cuda-fp8]

#include "../check/backends.hpp"

#include <casc/gpu/random_model.hpp>
#include <casc/gpu/read_bandwidth.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace casc::gpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<std::uint32_t, 7> kBatches{1, 2, 4, 8, 16, 24, 32};

// A prompt for each slot, so that decoding has as much to look back at.
void fill_slots(Backend& backend, std::uint32_t context) {
    StepOutput output;
    const std::uint32_t most = backend.limits().step_tokens_max;
    for (SlotId slot = 0; slot < backend.limits().slot_count; ++slot) {
        for (std::uint32_t at = 0; at < context; at += most) {
            const std::vector<TokenId> tokens(std::min(most, context - at), 7);
            const SequenceStep step{.slot = slot, .position = at, .tokens = tokens};
            if (const auto done = backend.step({&step, 1}, output); !done) give_up(done.error());
        }
    }
}

// Seconds of a step for the first `batch` slots: the median over at least a second.
double step_seconds(Backend& backend, std::uint32_t batch, std::uint32_t context) {
    const std::vector<TokenId> token(1, 7);
    std::vector<SequenceStep> steps;
    for (SlotId slot = 0; slot < batch; ++slot)
        steps.push_back(
            {.slot = slot, .position = context, .tokens = token, .wanted = Wanted::token});
    StepOutput output;
    std::vector<double> times;
    for (const auto began = Clock::now();
         times.size() < 5 || Clock::now() - began < std::chrono::seconds(1);) {
        const auto step_began = Clock::now();
        if (const auto done = backend.step(steps, output); !done) give_up(done.error());
        times.push_back(std::chrono::duration<double>(Clock::now() - step_began).count());
    }
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

// What the weights are read from: how fast, and how it is called.
struct Limit {
    double bytes_per_second = 0;
    std::string name;
};
Limit limit_of(Backend& backend) {
    std::array<char, 120> name;
    if (auto* const cuda = dynamic_cast<CudaBackend*>(&backend)) {
        const CudaBandwidth is = need(CudaBackend::measure_bandwidth(0));
        std::snprintf(name.data(), name.size(), "%s copies %.0f GB/s, host to device %.1f GB/s",
                      std::string(cuda->device_name()).c_str(), is.device / 1e9,
                      is.host_to_device / 1e9);
        return {is.device, name.data()};
    }
    const std::vector<std::byte> memory(std::size_t{512} << 20, std::byte{1});
    const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
    const double limit = read_bandwidth(memory, threads);
    std::snprintf(name.data(), name.size(), "%zu threads read %.1f GB/s", threads, limit / 1e9);
    return {limit, name.data()};
}

// Bytes that a step reads: every weight once, but of the embedding a row, and the keys and values
// of all sequences.
struct StepBytes {
    double weights = 0;
    double context = 0;
    static StepBytes of(const ModelWeights& weights, const BackendKind& kind,
                        std::uint32_t context) {
        const ModelConfig& model = weights.config();
        const auto width = static_cast<double>(kind.choice == BackendChoice::cpu
                                                   ? sizeof(float)
                                                   : element_bytes(weights.embedding().type));
        return {static_cast<double>(step_weight_bytes(kind.choice, weights)),
                2 * width * static_cast<double>(model.layer_count * model.kv_size()) * context};
    }
    [[nodiscard]] double all(std::uint32_t batch) const { return weights + batch * context; }
};

CudaCounts counts_of(Backend& backend) {
    auto* const cuda = dynamic_cast<CudaBackend*>(&backend);
    return cuda == nullptr ? CudaCounts{} : cuda->counts();
}

// Launches and host time of each step; nothing of a backend that launches nothing.
std::string launches_between(const CudaCounts& before, const CudaCounts& after) {
    const auto steps = static_cast<double>(after.steps - before.steps);
    if (steps == 0) return "";
    std::array<char, 120> text;
    std::snprintf(
        text.data(), text.size(), "  %5.1f launches of %4.0f kernels, host %5.1f us",
        static_cast<double>(after.launches - before.launches) / steps,
        static_cast<double>(after.kernels - before.kernels) / steps,
        std::chrono::duration<double, std::micro>(after.host - before.host).count() / steps);
    return text.data();
}

void measure(const BackendKind& kind, const RandomModelShape& shape, std::uint32_t context) {
    ModelWeights weights = need(make_random_model(shape, 1));
    if (!can_open(kind, weights)) {
        std::printf("skipped %s: this GPU does not have it\n", kind.name.c_str());
        return;
    }
    const StepBytes bytes = StepBytes::of(weights, kind, context);
    const auto backend = open(kind, std::move(weights),
                              {.slot_count = kBatches.back(), .context_tokens = context + 1});
    fill_slots(*backend, context);
    const Limit limit = limit_of(*backend);
    std::printf("%s, %.0f MB of weights and %.2f MB for each sequence of %u tokens a step; %s\n",
                kind.name.c_str(), bytes.weights / 1e6, bytes.context / 1e6, context,
                limit.name.c_str());
    std::printf("%6s %10s %10s %9s %14s\n", "batch", "ms/step", "tokens/s", "of one", "GB/s");
    double alone = 0;
    for (const std::uint32_t batch : kBatches) {
        static_cast<void>(step_seconds(*backend, batch, context));  // makes what is made once
        const CudaCounts before = counts_of(*backend);
        const double seconds = step_seconds(*backend, batch, context);
        const double rate = batch / seconds;
        if (batch == 1) alone = rate;
        const double read = bytes.all(batch) / seconds;
        std::printf("%6u %10.3f %10.1f %8.2fx %9.1f %3.0f%%%s\n", batch, seconds * 1e3, rate,
                    rate / alone, read / 1e9, 100 * read / limit.bytes_per_second,
                    launches_between(before, counts_of(*backend)).c_str());
    }
}

int run(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "small";
    const auto context = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 128);
    const std::string_view only = argc > 3 ? argv[3] : "";
    RandomModelShape shape = RandomModelShape::small();
    if (name == "phi3-mini") shape = RandomModelShape::phi3_mini();
    if ((name != "small" && name != "phi3-mini") || context == 0 ||
        context >= shape.context_tokens ||
        (only != "" && only != "cpu" && only != "cuda" && only != "cuda-fp8")) {
        std::fprintf(stderr,
                     "usage: casc-gpu-bench [small|phi3-mini] [context tokens, less than %zu] "
                     "[cpu|cuda|cuda-fp8]\n",
                     shape.context_tokens);
        return 2;
    }
    for (const BackendKind& kind : backend_kinds())
        if (only.empty() || only == kind.name) measure(kind, shape, context);
    return 0;
}

}  // namespace
}  // namespace casc::gpu

int main(int argc, char** argv) {
    return casc::gpu::run(argc, argv);
}
