#include "measurements.hpp"
#include "times.hpp"

#include <casc/gpu/read_bandwidth.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace casc::gpu {
namespace {

constexpr std::array<std::uint32_t, 7> kBatches{1, 2, 4, 8, 16, 24, kDecodedMax};
// What a device copies is what it reads and writes; reading alone is a little faster.
constexpr double kShareOfBandwidth = 70;
constexpr double kShareOfBandwidthAlone = 75;
constexpr double kHostShare = 5;
// Of phi-3-mini in bf16 with 512 tokens of context, on an H200.
constexpr double kTokensPerSecond = 8000;
constexpr double kTokensPerSecondAlone = 471;  // 75 % of what 4.8 TB/s allow

// A prompt for each slot, so that decoding has as much to look back at.
void fill_slots(Backend& backend, std::uint32_t context) {
    const std::vector<TokenId> prompt(context, 7);
    const BackendLimits& limits = backend.limits();
    StepOutput output;
    for (SlotId slot = 0; slot < limits.slot_count; ++slot)
        compute_prompt(backend, slot, prompt, limits.step_tokens_max, Wanted::nothing, output);
}

// A step for each of the first slots.
class StepOfAll {
public:
    StepOfAll(Backend& backend, std::uint32_t batch, std::uint32_t context) : backend_(backend) {
        for (SlotId slot = 0; slot < batch; ++slot)
            steps_.push_back(
                {.slot = slot, .position = context, .tokens = token_, .wanted = Wanted::token});
    }
    void operator()() {
        if (const auto done = backend_.step(steps_, output_); !done) give_up(done.error());
    }

private:
    Backend& backend_;
    const std::vector<TokenId> token_ = std::vector<TokenId>(1, 7);
    std::vector<SequenceStep> steps_;
    StepOutput output_;
};

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

CudaCounts counts_of(Backend& backend) {
    auto* const cuda = dynamic_cast<CudaBackend*>(&backend);
    return cuda == nullptr ? CudaCounts{} : cuda->counts();
}

// Of each step; nothing of a backend that launches nothing.
struct StepCosts {
    double steps = 0;
    double launches = 0;
    double kernels = 0;
    double host_seconds = 0;

    static StepCosts between(const CudaCounts& before, const CudaCounts& after) {
        const auto steps = static_cast<double>(after.steps - before.steps);
        if (steps == 0) return {};
        return {steps, static_cast<double>(after.launches - before.launches) / steps,
                static_cast<double>(after.kernels - before.kernels) / steps,
                std::chrono::duration<double>(after.host - before.host).count() / steps};
    }
    [[nodiscard]] std::string text() const {
        if (steps == 0) return "";
        std::array<char, 120> text;
        std::snprintf(text.data(), text.size(), "  %5.1f launches of %4.0f kernels, host %5.1f us",
                      launches, kernels, host_seconds * 1e6);
        return text.data();
    }
};

}  // namespace

std::vector<Bar> measure_decoding(const Measured& what, Backend& backend, double weight_bytes) {
    const ModelConfig& model = backend.model();
    const double width = is_on_gpu(what.kind.choice)
                             ? static_cast<double>(element_bytes(what.shape.type))
                             : sizeof(float);
    const double context_bytes =
        2 * width * static_cast<double>(model.layer_count * model.kv_size()) * what.context;
    fill_slots(backend, what.context);
    const Limit limit = limit_of(backend);
    std::printf("%s, %.0f MB of weights and %.2f MB for each sequence of %u tokens a step; %s\n",
                what.kind.name.c_str(), weight_bytes / 1e6, context_bytes / 1e6, what.context,
                limit.name.c_str());
    std::printf("%6s %10s %10s %9s %14s\n", "batch", "ms/step", "tokens/s", "of one", "GB/s");
    const bool has_figures = limit.name.find("H200") != std::string::npos &&
                             what.shape_name == "phi3-mini" && what.context == 512 &&
                             what.kind.choice == BackendChoice::cuda;
    std::vector<Bar> bars;
    double alone = 0;
    for (const std::uint32_t batch : kBatches) {
        StepOfAll step(backend, batch, what.context);
        step();  // makes what is made once
        const CudaCounts before = counts_of(backend);
        const double seconds = median_seconds(step);
        const StepCosts costs = StepCosts::between(before, counts_of(backend));
        const double rate = batch / seconds;
        if (batch == 1) alone = rate;
        const double read = (weight_bytes + batch * context_bytes) / seconds;
        const double share = 100 * read / limit.bytes_per_second;
        std::printf("%6u %10.3f %10.1f %8.2fx %9.1f %3.0f%%%s\n", batch, seconds * 1e3, rate,
                    rate / alone, read / 1e9, share, costs.text().c_str());
        if (!is_on_gpu(what.kind.choice)) continue;
        if (batch == 1) {
            bars.push_back(
                {"one sequence, of the bandwidth", share, kShareOfBandwidthAlone, true, "%"});
            if (has_figures)
                bars.push_back({"one sequence, tokens a second", rate, kTokensPerSecondAlone});
        } else if (batch == kDecodedMax) {
            bars.push_back({"32 sequences, of the bandwidth", share, kShareOfBandwidth, true, "%"});
            bars.push_back({"32 sequences, the host's time of a step",
                            100 * costs.host_seconds / seconds, kHostShare, false, "%"});
            if (has_figures)
                bars.push_back({"32 sequences, tokens a second", rate, kTokensPerSecond});
        }
    }
    return bars;
}

}  // namespace casc::gpu
