// The CUDA backend of a casc that was built without CUDA.
#include <casc/gpu/cuda_backend.hpp>

#include <cstdlib>

namespace casc::gpu {

class CudaBackend::State {};

CudaBackend::CudaBackend(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaBackend::~CudaBackend() = default;

int CudaBackend::device_count() noexcept {
    return 0;
}

bool CudaBackend::can_compute(const ModelWeights&, int, bool) noexcept {
    return false;
}

namespace {

Error built_without() {
    return {ErrorCode::not_supported,
            "this casc was built without CUDA; build it where nvcc is, or use the cpu"};
}

}  // namespace

Result<std::unique_ptr<CudaBackend>> CudaBackend::make(ModelWeights, const CudaOptions&) {
    return built_without();
}
Result<CudaBandwidth> CudaBackend::measure_bandwidth(int) {
    return built_without();
}
Result<double> CudaBackend::measure_products(int, ElementType, std::uint32_t) {
    return built_without();
}

// There is none that could be asked.
const ModelConfig& CudaBackend::model() const noexcept {
    std::abort();
}
const BackendLimits& CudaBackend::limits() const noexcept {
    std::abort();
}
std::string_view CudaBackend::device_name() const noexcept {
    std::abort();
}
CudaCounts CudaBackend::counts() const noexcept {
    std::abort();
}
Result<void> CudaBackend::launch(std::span<const SequenceStep>, StepOutput&) {
    std::abort();
}
Result<void> CudaBackend::finish() {
    std::abort();
}

}  // namespace casc::gpu
