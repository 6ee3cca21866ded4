#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/cuda_backend.hpp>
#include <casc/gpu/open_backend.hpp>

#include <utility>

namespace casc::gpu {
namespace {

enum class WeightsAre : std::uint8_t { as_in_the_file, of_8_bits };

Result<std::unique_ptr<Backend>> open_cpu(ModelWeights weights, const BackendOptions& options) {
    CpuOptions cpu;
    cpu.threads = options.threads;
    cpu.slot_count = options.slot_count;
    cpu.context_tokens = options.context_tokens;
    cpu.memory_max_bytes = options.memory_max_bytes;
    CASC_TRY(auto backend, CpuBackend::make(std::move(weights), cpu));
    return std::unique_ptr<Backend>(std::move(backend));
}

Result<std::unique_ptr<Backend>> open_cuda(ModelWeights weights, WeightsAre weights_are,
                                           const BackendOptions& options) {
    CudaOptions cuda;
    cuda.device = options.device;
    cuda.slot_count = options.slot_count;
    cuda.context_tokens = options.context_tokens;
    cuda.memory_max_bytes = options.memory_max_bytes;
    cuda.tunes = options.tunes;
    cuda.has_8_bit_weights = weights_are == WeightsAre::of_8_bits;
    // Of a classifier no answers grow that a long step would hold up, and products of more tokens
    // leave less of a device idle.
    if (weights.config().classifies()) cuda.step_tokens_max = CudaOptions::kStepTokensOfClassifier;
    CASC_TRY(auto backend, CudaBackend::make(std::move(weights), cuda));
    return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace

std::optional<BackendChoice> backend_choice_of(std::string_view name) noexcept {
    if (name == "auto") return BackendChoice::automatic;
    if (name == "cpu") return BackendChoice::cpu;
    if (name == "cuda") return BackendChoice::cuda;
    if (name == "cuda-fp8") return BackendChoice::cuda_fp8;
    return std::nullopt;
}

std::string_view backend_choices() noexcept {
    return "auto, cpu, cuda and cuda-fp8";
}

Result<std::unique_ptr<Backend>> open_backend(BackendChoice choice, ModelWeights weights,
                                              const BackendOptions& options) {
    if (choice == BackendChoice::automatic)
        choice = CudaBackend::can_compute(weights, options.device) ? BackendChoice::cuda
                                                                   : BackendChoice::cpu;
    if (choice == BackendChoice::cuda)
        return open_cuda(std::move(weights), WeightsAre::as_in_the_file, options);
    if (choice == BackendChoice::cuda_fp8)
        return open_cuda(std::move(weights), WeightsAre::of_8_bits, options);
    return open_cpu(std::move(weights), options);
}

std::size_t step_weight_bytes(BackendChoice choice, const ModelWeights& weights) {
    const std::size_t layers = weights.layer_bytes();
    return weights.head().bytes() + (choice == BackendChoice::cuda_fp8 ? layers / 2 : layers);
}

}  // namespace casc::gpu
