// casc-gpu-bench: how fast the backends of this machine decode, and how far that is from reading
// the weights once a step. Needs no packages; `casc-bench infer` measures a whole stage.
//
//   casc-gpu-bench [small|phi3-mini] [context tokens]

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

void measure(const BackendKind& kind, const RandomModelShape& shape, std::uint32_t context) {
    ModelWeights weights = need(make_random_model(shape, 1));
    const auto weight_bytes = static_cast<double>(weights.bytes());
    const auto backend = need(kind.make(
        std::move(weights), {.slot_count = kBatches.back(), .context_tokens = context + 1}));
    fill_slots(*backend, context);
    const std::vector<std::byte> memory(std::size_t{512} << 20, std::byte{1});
    const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
    const double limit = read_bandwidth(memory, threads);
    std::printf("%s, %.0f MB of weights, %u tokens of context; %zu threads read %.1f GB/s\n",
                kind.name.c_str(), weight_bytes / 1e6, context, threads, limit / 1e9);
    std::printf("%6s %10s %10s %9s %14s\n", "batch", "ms/step", "tokens/s", "of one",
                "weights GB/s");
    double alone = 0;
    for (const std::uint32_t batch : kBatches) {
        const double seconds = step_seconds(*backend, batch, context);
        const double rate = batch / seconds;
        if (batch == 1) alone = rate;
        std::printf("%6u %10.2f %10.1f %8.2fx %9.1f %3.0f%%\n", batch, seconds * 1e3, rate,
                    rate / alone, weight_bytes / seconds / 1e9,
                    100 * weight_bytes / seconds / limit);
    }
}

int run(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "small";
    const auto context = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 128);
    RandomModelShape shape = RandomModelShape::small();
    if (name == "phi3-mini") shape = RandomModelShape::phi3_mini();
    if ((name != "small" && name != "phi3-mini") || context == 0 ||
        context >= shape.context_tokens) {
        std::fprintf(stderr,
                     "usage: casc-gpu-bench [small|phi3-mini] [context tokens, less than %zu]\n",
                     shape.context_tokens);
        return 2;
    }
    for (const BackendKind& kind : backend_kinds())
        measure(kind, shape, context);
    return 0;
}

}  // namespace
}  // namespace casc::gpu

int main(int argc, char** argv) {
    return casc::gpu::run(argc, argv);
}
