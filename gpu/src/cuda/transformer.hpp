#pragma once
// cuda/transformer.hpp: the layers of a model, launched for the tokens that a slab on the device
// names.

#include "cuda/device_weights.hpp"
#include "cuda/matmul.hpp"
#include "cuda/step_slab.hpp"

#include <casc/gpu/backend.hpp>
#include <casc/gpu/model_config.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <memory>

namespace casc::gpu::cuda {

// How much is launched; the slab may have less, but of the tiles.
struct StepSize {
    std::uint32_t tokens = 0;
    std::uint32_t lone_tokens = 0;
    std::uint32_t splits = 0;  // of the longest sequence that has a lone token
    std::uint32_t tiles = 0;
    std::uint32_t rows = 0;       // wanted states
    std::uint32_t head_rows = 0;  // the first of them, which go through the head
    bool samples = false;         // from them
    friend bool operator==(const StepSize&, const StepSize&) = default;
};

// What the host takes back.
struct StepResults {
    float* logits = nullptr;         // [slot_count, head rows]
    float* states = nullptr;         // [slot_count, hidden_size], behind the last norm
    SampledToken* tokens = nullptr;  // [slot_count]
};

// Thread: one at a time. Lifetime: borrows the weights and the memory.
class Transformer {
public:
    virtual ~Transformer() = default;
    Transformer(const Transformer&) = delete;
    Transformer& operator=(const Transformer&) = delete;

    // Of the device, besides the weights: the keys and values, and what a step works with.
    struct Need {
        unsigned __int128 cache = 0;
        unsigned __int128 work = 0;
    };
    [[nodiscard]] static Need need(const ModelConfig& model, const BackendLimits& limits,
                                   const NumberTypes& types);
    // How many sequences a graph is made for when there are so many.
    [[nodiscard]] static std::uint32_t bucket_of(std::uint32_t sequences) noexcept;

    // Fails with: not_supported, device_failed.
    [[nodiscard]] static Result<void> check(const ModelConfig& model, const NumberTypes& types);
    [[nodiscard]] static Result<std::unique_ptr<Transformer>> make(const ModelConfig& model,
                                                                   const BackendLimits& limits,
                                                                   const NumberTypes& types,
                                                                   const DeviceWeights& weights,
                                                                   DeviceMemory& memory);

    // Before anything is launched.
    [[nodiscard]] virtual Result<void> prepare(cudaStream_t stream) = 0;
    // Looks for the fastest ways to multiply for so many tokens.
    [[nodiscard]] virtual Result<void> tune(std::uint32_t tokens, cudaStream_t stream) = 0;
    // Puts all of a step on the stream.
    [[nodiscard]] virtual Result<void> launch(const StepSize& size, const StepSlab& slab,
                                              cudaStream_t stream) = 0;
    [[nodiscard]] virtual const StepResults& results() const noexcept = 0;
    // Kernels that launch() puts there, products included.
    [[nodiscard]] virtual std::uint64_t kernel_count(const StepSize& size) const noexcept = 0;
    // Splits for a sequence of so many tokens, as many as a graph is made for.
    [[nodiscard]] virtual std::uint32_t splits_for(std::uint32_t tokens) const noexcept = 0;

protected:
    Transformer() = default;
};

}  // namespace casc::gpu::cuda
