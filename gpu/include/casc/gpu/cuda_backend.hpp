#pragma once
// casc/gpu/cuda_backend.hpp: models on an NVIDIA GPU.
//
//   if (CudaBackend::device_count() > 0)
//       CASC_TRY(const auto backend, CudaBackend::make(std::move(weights), {.slot_count = 32}));
//
// Weights stay of 16 or 32 bits as in the file unless 8 are asked for, all matrices of one type;
// what is multiplied with them and the keys and values are of that type, too, sums and the states
// between the layers of 32 bits. So numbers differ from the CPU backend's by the rounding of the
// type. What a sequence's numbers are depends a little on how many others share its steps: another
// way of multiplying may be the fastest for another number of them.
//
// A step of one token each, of which the next one is wanted, is one launch of a graph that was made
// for its number of sequences (rounded up to 1, 2, 4, 8, 16, 24, 32, 64, ...) and the length of the
// longest (to eighths); the first of its kind makes it. Only the tokens come back.
//
// Longrope is as in cpu_backend.hpp.

#include <casc/gpu/backend.hpp>
#include <casc/gpu/model_weights.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

namespace casc::gpu {

struct CudaOptions {
    static constexpr std::uint32_t kStepTokensOfClassifier = 4096;  // open_backend()'s choice
    static constexpr std::uint64_t kFreeMemory = std::numeric_limits<std::uint64_t>::max();

    int device = 0;  // as CUDA counts them
    std::uint32_t slot_count = 1;
    std::uint32_t context_tokens = 0;  // of a slot; 0: all that the model can
    std::uint32_t step_tokens_max = 2048;
    // Of the device, for the weights, the keys and values, and what a step works with. kFreeMemory:
    // what it has free when the backend is made.
    std::uint64_t memory_max_bytes = kFreeMemory;
    // The layers' matrices of 8 bits (E4M3, one scale for each matrix), which are made of bf16 when
    // the model is loaded; what they are multiplied with is, too, with a scale for each token. Half
    // of the weights that a step reads, and some 4 % off in every product. Of Ada, Hopper and
    // newer.
    bool has_8_bit_weights = false;
    // Tries what cuBLASLt proposes for each number of sequences and takes what is fastest; a second
    // or so.
    bool tunes = true;
};

// Since the backend was made.
struct CudaCounts {
    std::uint64_t steps = 0;
    std::uint64_t launches = 0;        // that the host made: of kernels, and of graphs
    std::uint64_t kernels = 0;         // that ran, those of graphs, too
    std::uint64_t graph_launches = 0;  // of the steps
    std::uint64_t graphs = 0;          // that were made
    std::chrono::nanoseconds host{};   // of the steps, but for waiting for the device
};

// Bytes per second.
struct CudaBandwidth {
    double device = 0;          // read and written together, from the device's memory to itself
    double host_to_device = 0;  // from pinned memory
};

// Thread: one at a time; it has none of its own. finish() sleeps while the device computes.
// Lifetime: copies the weights to the device, and keeps those of the file mapped.
class CudaBackend final : public Backend {
public:
    // 0 without a driver, and where casc was built without CUDA.
    [[nodiscard]] static int device_count() noexcept;

    // Whether there is such a device, the kernels run on it and have what the model asks for.
    [[nodiscard]] static bool can_compute(const ModelWeights& weights, int device,
                                          bool with_8_bit_weights = false) noexcept;

    // What a step's share of the device is measured by: the best of some copies of what is free, a
    // GiB at most. Fails with: not_supported (built without CUDA), invalid_config (no such device),
    // model_too_large (there is no room for it), device_failed.
    [[nodiscard]] static Result<CudaBandwidth> measure_bandwidth(int device);
    // What prompts are measured by: multiplications and additions a second of a product of two
    // matrices of size x size numbers of the type (bf16, f16, f32 or f8_e4m3), with sums as in a
    // step (of 8 bits some devices are faster when they may round on the way, which is not asked
    // for), in the fastest way that cuBLASLt proposes. Fails as measure_bandwidth(), and with:
    // not_supported (the type).
    [[nodiscard]] static Result<double> measure_products(int device, ElementType type,
                                                         std::uint32_t size = 8192);

    // Fails with: not_supported (built without CUDA; a head size, number of heads or type of
    // weights that the kernels do not have), invalid_config (no such device, no slots, no tokens, a
    // context that is longer than the model's), model_too_large (with what is needed and what for),
    // device_failed.
    [[nodiscard]] static Result<std::unique_ptr<CudaBackend>> make(ModelWeights weights,
                                                                   const CudaOptions& options);
    ~CudaBackend() override;

    [[nodiscard]] std::string_view name() const noexcept override { return "cuda"; }
    [[nodiscard]] const ModelConfig& model() const noexcept override;
    [[nodiscard]] const BackendLimits& limits() const noexcept override;
    // "NVIDIA H200"
    [[nodiscard]] std::string_view device_name() const noexcept;
    [[nodiscard]] CudaCounts counts() const noexcept;
    // Of a classifier nobody wants a token.
    [[nodiscard]] Result<void> launch(std::span<const SequenceStep> sequences,
                                      StepOutput& output) override;
    // By the thread that launched.
    [[nodiscard]] Result<void> finish() override;
    [[nodiscard]] bool computes_by_itself() const noexcept override { return true; }

private:
    class State;
    explicit CudaBackend(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace casc::gpu
