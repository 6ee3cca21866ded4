#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/cuda_backend.hpp>
#include <casc/gpu/open_backend.hpp>

#include <utility>

namespace casc::gpu {
namespace {

Result<std::unique_ptr<Backend>> open_cpu(ModelWeights weights, const BackendOptions& options) {
    CpuOptions cpu;
    cpu.threads = options.threads;
    cpu.slot_count = options.slot_count;
    cpu.context_tokens = options.context_tokens;
    cpu.memory_max_bytes = options.memory_max_bytes;
    CASC_TRY(auto backend, CpuBackend::make(std::move(weights), cpu));
    return std::unique_ptr<Backend>(std::move(backend));
}

Result<std::unique_ptr<Backend>> open_cuda(ModelWeights weights, const BackendOptions& options) {
    CudaOptions cuda;
    cuda.device = options.device;
    cuda.slot_count = options.slot_count;
    cuda.context_tokens = options.context_tokens;
    cuda.memory_max_bytes = options.memory_max_bytes;
    CASC_TRY(auto backend, CudaBackend::make(std::move(weights), cuda));
    return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace

std::optional<BackendChoice> backend_choice_of(std::string_view name) noexcept {
    if (name == "auto") return BackendChoice::automatic;
    if (name == "cpu") return BackendChoice::cpu;
    if (name == "cuda") return BackendChoice::cuda;
    return std::nullopt;
}

Result<std::unique_ptr<Backend>> open_backend(BackendChoice choice, ModelWeights weights,
                                              const BackendOptions& options) {
    if (choice == BackendChoice::automatic)
        choice = CudaBackend::can_compute(weights, options.device) ? BackendChoice::cuda
                                                                   : BackendChoice::cpu;
    if (choice == BackendChoice::cuda) return open_cuda(std::move(weights), options);
    return open_cpu(std::move(weights), options);
}

}  // namespace casc::gpu
