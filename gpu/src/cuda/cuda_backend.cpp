#include "backend_need.hpp"
#include "cuda/device_speed.hpp"
#include "cuda/device_weights.hpp"
#include "cuda/step.hpp"
#include "cuda/transformer.hpp"
#include "model/rope.hpp"

#include <casc/gpu/cuda_backend.hpp>

#include <algorithm>
#include <string>

namespace casc::gpu {
namespace {

using cuda::check;

Result<void> use_device(int device) {
    int count = 0;
    CASC_TRY_VOID(check(cudaGetDeviceCount(&count), "find a device"));
    if (device < 0 || device >= count)
        return Error(ErrorCode::invalid_config, "there is no device " + std::to_string(device) +
                                                    "; there are " + std::to_string(count));
    return check(cudaSetDevice(device), "use the device");
}

// What the kernels are compiled for begins with Ampere.
constexpr int kMajorMin = 8;

bool has_kernels_for(const cudaDeviceProp& device) {
    return device.major >= kMajorMin;
}

// Ada, Hopper and newer multiply numbers of 8 bits.
bool multiplies_8_bits(const cudaDeviceProp& device) {
    return device.major > 8 || (device.major == 8 && device.minor >= 9);
}

Result<void> check_device(const cudaDeviceProp& device, const cuda::NumberTypes& types) {
    const std::string is = std::string(device.name) + " has compute capability " +
                           std::to_string(device.major) + "." + std::to_string(device.minor);
    if (!has_kernels_for(device))
        return Error(ErrorCode::not_supported, is + "; 8.0 and newer are supported");
    if (types.has_8_bits() && !multiplies_8_bits(device))
        return Error(ErrorCode::not_supported,
                     is + "; weights of 8 bits are supported by 8.9 and newer");
    return {};
}

// As many as a grid has blocks in its second and third direction.
Result<void> check_grid(const BackendLimits& limits) {
    constexpr std::uint32_t kMost = 65'535;
    if (limits.slot_count <= kMost && limits.step_tokens_max <= kMost &&
        cuda::Transformer::bucket_of(limits.slot_count) <= kMost)
        return {};
    return Error(ErrorCode::invalid_config,
                 "a GPU computes at most " + std::to_string(kMost) + " slots and tokens in a step");
}

MemoryNeed need_of(const ModelWeights& weights, const BackendLimits& limits,
                   const cuda::NumberTypes& types) {
    const auto need = cuda::Transformer::need(weights.config(), limits, types);
    return {cuda::device_weight_bytes(weights, limits, types), need.cache,
            need.work + cuda::Step::device_bytes(limits), limits};
}

// What else comes to the device: kernels, cuBLASLt's above all, and graphs.
std::size_t reserve_of(std::size_t all_bytes) {
    return std::min<std::size_t>(std::size_t{512} << 20, all_bytes / 32);
}

Result<void> check_memory(const MemoryNeed& need, std::uint64_t most) {
    std::size_t free_bytes = 0;
    std::size_t all_bytes = 0;
    CASC_TRY_VOID(check(cudaMemGetInfo(&free_bytes, &all_bytes), "see what memory is free"));
    if (most != CudaOptions::kFreeMemory && need.all() > most)
        return need.refused(as_mib(most) + " MiB are allowed");
    if (need.all() + reserve_of(all_bytes) > free_bytes)
        return need.refused(as_mib(free_bytes) + " of the device's " + as_mib(all_bytes) +
                            " MiB are free, of which " + as_mib(reserve_of(all_bytes)) +
                            " are for its kernels");
    return {};
}

// The numbers of sequences that graphs are made for.
std::vector<std::uint32_t> buckets_of(std::uint32_t slots) {
    // Beyond, products are bound by arithmetic, and the first way that is proposed is as good.
    constexpr std::uint32_t kTunedMax = 256;
    std::vector<std::uint32_t> buckets;
    for (std::uint32_t count = 1; count <= std::min(slots, kTunedMax); ++count) {
        const std::uint32_t bucket = cuda::Transformer::bucket_of(count);
        if (buckets.empty() || buckets.back() != bucket) buckets.push_back(bucket);
    }
    return buckets;
}

}  // namespace

class CudaBackend::State {
public:
    State(ModelWeights weights, const BackendLimits& limits, int device)
        : weights_(std::move(weights)),
          limits_(limits),
          device_(device),
          rope_(Rope::of(weights_.config())) {}
    // On whatever thread.
    ~State() { static_cast<void>(cudaSetDevice(device_)); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Result<void> open(const CudaOptions& options) {
        const ModelConfig& model = weights_.config();
        CASC_TRY(const cuda::NumberTypes types,
                 cuda::types_of(weights_, options.has_8_bit_weights));
        CASC_TRY_VOID(cuda::Transformer::check(model, types));
        CASC_TRY_VOID(use_device(device_));
        cudaDeviceProp properties;
        CASC_TRY_VOID(check(cudaGetDeviceProperties(&properties, device_), "describe the device"));
        device_name_ = properties.name;
        CASC_TRY_VOID(check_device(properties, types));
        CASC_TRY_VOID(check_grid(limits_));
        const MemoryNeed need = need_of(weights_, limits_, types);
        CASC_TRY_VOID(check_memory(need, options.memory_max_bytes));
        auto memory = cuda::make_device_memory(static_cast<std::size_t>(need.all()));
        if (!memory) return need.refused(memory.error().message());
        memory_ = std::move(*memory);
        CASC_TRY(there_, cuda::upload(weights_, rope_, limits_, types, memory_));
        CASC_TRY(transformer_, cuda::Transformer::make(model, limits_, types, there_, memory_));
        CASC_TRY(auto step, cuda::Step::make(model, limits_, rope_, *transformer_, memory_));
        step_ = std::make_unique<cuda::Step>(std::move(step));
        if (options.tunes)
            for (const std::uint32_t bucket : buckets_of(limits_.slot_count))
                CASC_TRY_VOID(transformer_->tune(bucket, step_->stream()));
        return step_->warm_up();
    }

    const ModelWeights weights_;
    const BackendLimits limits_;
    const int device_;
    const Rope rope_;
    std::string device_name_;
    cuda::DeviceMemory memory_;
    cuda::DeviceWeights there_;
    std::unique_ptr<cuda::Transformer> transformer_;
    std::unique_ptr<cuda::Step> step_;
};

CudaBackend::CudaBackend(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaBackend::~CudaBackend() = default;

int CudaBackend::device_count() noexcept {
    int count = 0;
    const bool has_some = cudaGetDeviceCount(&count) == cudaSuccess;
    static_cast<void>(cudaGetLastError());
    return has_some ? count : 0;
}

bool CudaBackend::can_compute(const ModelWeights& weights, int device,
                              bool with_8_bit_weights) noexcept {
    cudaDeviceProp properties;
    const bool has_device = device >= 0 && device < device_count() &&
                            cudaGetDeviceProperties(&properties, device) == cudaSuccess;
    static_cast<void>(cudaGetLastError());
    const auto types = cuda::types_of(weights, with_8_bit_weights);
    return has_device && types && check_device(properties, *types) &&
           cuda::Transformer::check(weights.config(), *types);
}

Result<std::unique_ptr<CudaBackend>> CudaBackend::make(ModelWeights weights,
                                                       const CudaOptions& options) {
    CASC_TRY(const BackendLimits limits,
             limits_of(weights.config(), {.slot_count = options.slot_count,
                                          .context_tokens = options.context_tokens,
                                          .step_tokens_max = options.step_tokens_max}));
    auto state = std::make_unique<State>(std::move(weights), limits, options.device);
    CASC_TRY_VOID(state->open(options));
    return std::unique_ptr<CudaBackend>(new CudaBackend(std::move(state)));
}

const ModelConfig& CudaBackend::model() const noexcept {
    return state_->weights_.config();
}
const BackendLimits& CudaBackend::limits() const noexcept {
    return state_->limits_;
}
std::string_view CudaBackend::device_name() const noexcept {
    return state_->device_name_;
}
CudaCounts CudaBackend::counts() const noexcept {
    return state_->step_->counts();
}

Result<CudaBandwidth> CudaBackend::measure_bandwidth(int device) {
    CASC_TRY_VOID(use_device(device));
    return cuda::measure_bandwidth();
}
Result<double> CudaBackend::measure_products(int device, ElementType type, std::uint32_t size) {
    CASC_TRY_VOID(use_device(device));
    return cuda::measure_products(type, size);
}

Result<void> CudaBackend::launch(std::span<const SequenceStep> sequences, StepOutput& output) {
    // Of the thread, which may be another one than that which made the backend.
    CASC_TRY_VOID(check(cudaSetDevice(state_->device_), "use the device"));
    return state_->step_->launch(sequences, output);
}
Result<void> CudaBackend::finish() {
    return state_->step_->finish();
}

}  // namespace casc::gpu
