#pragma once
// The backends that this machine can check and measure. Needs nothing but casc::gpu, so that it
// builds on a machine with a compiler and no packages.

#include <casc/gpu/backend.hpp>
#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/cuda_backend.hpp>
#include <casc/gpu/model_weights.hpp>
#include <casc/gpu/open_backend.hpp>
#include <casc/types/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace casc::gpu {

// Without the model or the backend there is nothing to be done.
[[noreturn]] inline void give_up(const Error& why) {
    std::fprintf(stderr, "%s\n", why.message().c_str());
    std::exit(1);
}
template <class T>
T need(Result<T> result) {
    if (!result) give_up(result.error());
    return *std::move(result);
}

struct BackendKind {
    std::string name;
    BackendChoice choice;
    // To the bit the same numbers in every batch; and how far from 32 bits it is by computing with
    // what the weights are.
    bool is_exact;
    bool tunes = true;
    [[nodiscard]] float tolerance(ElementType type) const {
        // Of the largest logit: 24 bits, 11, 8 and 4, and the order of sums differs.
        if (has_8_bits()) return 0.4f;
        if (is_exact || type == ElementType::f32) return 1e-4f;
        return type == ElementType::f16 ? 1.5e-2f : 0.1f;
    }
    // With 8 bits attention soon prefers other tokens, at least in a model of random numbers: what
    // sees more than itself is held against itself alone.
    [[nodiscard]] bool has_8_bits() const { return choice == BackendChoice::cuda_fp8; }
};

// Those of this machine; says which are left out.
inline std::vector<BackendKind> backend_kinds() {
    std::vector<BackendKind> kinds{{"cpu", BackendChoice::cpu, true}};
    if (CudaBackend::device_count() > 0) {
        kinds.push_back({"cuda", BackendChoice::cuda, false});
        kinds.push_back({"cuda-fp8", BackendChoice::cuda_fp8, false});
    } else {
        std::printf("skipped cuda: no GPU\n");
    }
    return kinds;
}

// Models whose weights are not bf16 are not made 8 bits, and older devices do not multiply them.
inline bool can_open(const BackendKind& kind, const ModelWeights& weights) {
    return !kind.has_8_bits() || CudaBackend::can_compute(weights, 0, true);
}

inline std::unique_ptr<Backend> open(const BackendKind& kind, ModelWeights weights,
                                     BackendOptions options) {
    options.tunes = kind.tunes;
    return need(open_backend(kind.choice, std::move(weights), options));
}

// A prompt, in pieces of so many tokens; what is wanted after it is in the output.
inline void compute_prompt(Backend& backend, SlotId slot, std::span<const TokenId> prompt,
                           std::size_t piece, Wanted wanted, StepOutput& output) {
    for (std::size_t at = 0; at < prompt.size(); at += piece) {
        const auto part = prompt.subspan(at, std::min(piece, prompt.size() - at));
        const bool is_last = at + part.size() == prompt.size();
        const SequenceStep step{.slot = slot,
                                .position = static_cast<std::uint32_t>(at),
                                .tokens = part,
                                .wanted = is_last ? wanted : Wanted::nothing};
        if (const auto done = backend.step({&step, 1}, output); !done) give_up(done.error());
    }
}

// Without any instructions of a particular processor.
inline std::unique_ptr<Backend> open_reference(ModelWeights weights,
                                               const BackendOptions& options) {
    CpuOptions cpu;
    cpu.slot_count = options.slot_count;
    cpu.context_tokens = options.context_tokens;
    cpu.is_portable = true;
    return need(CpuBackend::make(std::move(weights), cpu));
}

}  // namespace casc::gpu
