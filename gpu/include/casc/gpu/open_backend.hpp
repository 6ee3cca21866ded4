#pragma once
// casc/gpu/open_backend.hpp: a model on what the machine has. Linked with casc::backends.

#include <casc/gpu/backend.hpp>
#include <casc/gpu/model_weights.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

namespace casc::gpu {

enum class BackendChoice : std::uint8_t {
    automatic,  // "auto": a GPU where there is one that can compute the model, with its own weights
    cpu,
    cuda,
    cuda_fp8  // "cuda-fp8": with weights of 8 bits
};
[[nodiscard]] std::optional<BackendChoice> backend_choice_of(std::string_view name) noexcept;
// For who names one that there is not: "auto, cpu, cuda and cuda-fp8".
[[nodiscard]] std::string_view backend_choices() noexcept;
[[nodiscard]] constexpr bool is_on_gpu(BackendChoice choice) noexcept {
    return choice == BackendChoice::cuda || choice == BackendChoice::cuda_fp8;
}

// See CpuOptions and CudaOptions.
struct BackendOptions {
    std::uint32_t slot_count = 1;
    std::uint32_t context_tokens = 0;
    std::uint64_t memory_max_bytes = std::numeric_limits<std::uint64_t>::max();
    std::size_t threads = 0;  // of the cpu's
    int device = 0;           // of CUDA's
    bool tunes = true;        // of CUDA's
};

// Fails with: what the backend's make() fails with.
[[nodiscard]] Result<std::unique_ptr<Backend>> open_backend(BackendChoice choice,
                                                            ModelWeights weights,
                                                            const BackendOptions& options);

// Of the weights, what a step reads once: all of them, but of the embedding a row for each token.
[[nodiscard]] std::size_t step_weight_bytes(BackendChoice choice, const ModelWeights& weights);

}  // namespace casc::gpu
