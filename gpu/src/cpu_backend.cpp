#include "backend_need.hpp"
#include "cpu/machine.hpp"
#include "cpu/step.hpp"

#include <casc/gpu/cpu_backend.hpp>

#include <algorithm>
#include <limits>
#include <new>
#include <string>
#include <system_error>

namespace casc::gpu {
namespace {

constexpr std::size_t kCpuThreadsMax = 1024;

std::size_t threads_of(const CpuOptions& options) {
    if (options.threads != 0) return options.threads;
    return std::min(cpu::usable_processors(), kCpuThreadsMax);
}

Result<BackendLimits> limits_of(const ModelConfig& model, const CpuOptions& options) {
    if (options.threads > kCpuThreadsMax)
        return Error(ErrorCode::invalid_config,
                     std::to_string(options.threads) + " threads are more than the " +
                         std::to_string(kCpuThreadsMax) + " that are allowed");
    return gpu::limits_of(model, {.slot_count = options.slot_count,
                                  .context_tokens = options.context_tokens,
                                  .step_tokens_max = options.step_tokens_max});
}

MemoryNeed need_of(const ModelWeights& weights, const BackendLimits& limits, std::size_t threads) {
    const ModelConfig& model = weights.config();
    return {weights.bytes(), 2 * sizeof(float) * cpu::KvCache::floats(model, limits),
            sizeof(float) * cpu::Transformer::floats(model, limits, threads) +
                cpu::Step::bytes(model, limits),
            limits};
}

Result<void> check_memory(const MemoryNeed& need, std::uint64_t most) {
    if (most != CpuOptions::kAvailableMemory) {
        if (need.all() > most) return need.refused(as_mib(most) + " MiB are allowed");
        return {};
    }
    const auto available = cpu::available_memory_bytes();
    if (available && need.all() > *available)
        return need.refused(as_mib(*available) + " MiB are available");
    return {};
}

}  // namespace

// What is made once, in the order of who borrows whom.
class CpuBackend::State {
public:
    State(ModelWeights weights, const BackendLimits& limits, const cpu::Kernels& kernels,
          std::size_t threads, cpu::FloatMemory memory)
        : weights_(std::move(weights)),
          limits_(limits),
          kernels_(kernels),
          memory_(std::move(memory)),
          cache_(cache_of()),
          pool_(threads),
          transformer_(weights_, limits_, cache_, kernels_, pool_, memory_),
          step_(weights_.config(), limits_, transformer_, pool_, memory_) {}

    const ModelWeights weights_;
    const BackendLimits limits_;
    const cpu::Kernels& kernels_;
    cpu::FloatMemory memory_;
    const cpu::KvCache cache_;
    cpu::WorkerPool pool_;
    cpu::Transformer transformer_;
    cpu::Step step_;

private:
    cpu::KvCache cache_of() {
        const auto floats =
            static_cast<std::size_t>(cpu::KvCache::floats(weights_.config(), limits_));
        const std::span<float> keys = memory_.take(floats);
        return {weights_.config(), limits_, keys, memory_.take(floats)};
    }
};

CpuBackend::CpuBackend(std::unique_ptr<State> state) : state_(std::move(state)) {}
CpuBackend::~CpuBackend() = default;

Result<std::unique_ptr<CpuBackend>> CpuBackend::make(ModelWeights weights,
                                                     const CpuOptions& options) {
    CASC_TRY(const BackendLimits limits, limits_of(weights.config(), options));
    const std::size_t threads = threads_of(options);
    const MemoryNeed need = need_of(weights, limits, threads);
    CASC_TRY_VOID(check_memory(need, options.memory_max_bytes));
    // Below 2^64 bytes with all else; the parts are rounded up to whole lines.
    const WideBytes floats = (need.cache + need.work) / sizeof(float) + 16 * 64;
    if (floats > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(float))
        return need.refused("no system has so much");
    cpu::FloatMemory memory(static_cast<std::size_t>(floats));
    if (!memory.is_there()) return need.refused("the system has not so much");
    const auto usable = cpu::usable_kernels();
    const cpu::Kernels& kernels = *(options.is_portable ? usable.back() : usable.front());
    try {
        return std::unique_ptr<CpuBackend>(new CpuBackend(std::make_unique<State>(
            std::move(weights), limits, kernels, threads, std::move(memory))));
    } catch (const std::system_error& error) {
        return Error(ErrorCode::device_failed, "one of its " + std::to_string(threads) +
                                                   " threads cannot be started: " + error.what());
    } catch (const std::bad_alloc&) {
        return need.refused("the system has not so much");
    }
}

const ModelConfig& CpuBackend::model() const noexcept {
    return state_->weights_.config();
}
const BackendLimits& CpuBackend::limits() const noexcept {
    return state_->limits_;
}
std::string_view CpuBackend::kernels() const noexcept {
    return state_->kernels_.name;
}

Result<void> CpuBackend::compute(std::span<const SequenceStep> sequences, StepOutput& output) {
    state_->step_.run(sequences, output);
    return {};
}

}  // namespace casc::gpu
