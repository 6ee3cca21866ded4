#pragma once
// casc/gpu/cpu_backend.hpp: models on the processor: what there is without a GPU, and what the
// GPU's results are held against.
//
//   CASC_TRY(ModelWeights weights, ModelWeights::open(folder));
//   CASC_TRY(const auto backend, CpuBackend::make(std::move(weights), {.slot_count = 8}));
//
// Numbers are computed in 32 bits from weights of 16 or 32, with AVX-512 or AVX2 where the
// processor has them. A step takes about as long as reading the weights from memory once, up to
// some number of tokens in it (16 or so), and grows with them beyond.
//
// What a sequence's numbers are depends on its tokens and on the kind of processor alone. They are
// the same to the last bit whichever other sequences share its steps, in whatever pieces its
// prompt comes, with however many threads, and in any slot: each sum has an order of its own. On
// another kind of processor (kernels()) the last bits differ.
//
// A window of n tokens lets a token see itself and the n - 1 before it. Longrope's factors are
// those of the length that the sequence has reached, for all of its tokens: the step that takes a
// sequence beyond the original context (or back, in a slot that is taken up again further in front)
// computes all its earlier tokens once more, and takes as long as their prompt took. What of that
// comes together adds up: n sequences that cross in one step are computed again one behind the
// other, and everybody in the step waits for all of them.

#include <casc/gpu/host_backend.hpp>
#include <casc/gpu/model_weights.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

namespace casc::gpu {

struct CpuOptions {
    static constexpr std::uint64_t kAvailableMemory = std::numeric_limits<std::uint64_t>::max();

    // That compute, among them the one that calls; 0: one for each processor that the thread which
    // makes the backend may run on.
    std::size_t threads = 0;
    std::uint32_t slot_count = 1;
    std::uint32_t context_tokens = 0;  // of a slot; 0: all that the model can
    std::uint32_t step_tokens_max = 512;
    // For the weights, which the system reads when they are first used and keeps if it can, the
    // keys and values, and what a step works with. kAvailableMemory: what the machine has available
    // when the backend is made.
    std::uint64_t memory_max_bytes = kAvailableMemory;
    // Only kernels that every processor has: for tests.
    bool is_portable = false;
};

// Thread: one at a time; it has threads of its own, which sleep between the steps.
// Lifetime: keeps the weights. What it allocates it allocates in make(), but for what sampling
// sorts with: each of the threads allocates that when it first draws a token, and keeps it, a few
// numbers for each token of the vocabulary. A StepOutput keeps its own memory, [slots, vocabulary]
// numbers at most.
class CpuBackend final : public HostBackend {
public:
    // Fails with: invalid_config (no slots, no tokens, absurdly many threads, a context that is
    // longer than the model's), model_too_large (with what is needed and what for), device_failed
    // (a thread cannot be started).
    [[nodiscard]] static Result<std::unique_ptr<CpuBackend>> make(ModelWeights weights,
                                                                  const CpuOptions& options);
    ~CpuBackend() override;

    [[nodiscard]] std::string_view name() const noexcept override { return "cpu"; }
    [[nodiscard]] const ModelConfig& model() const noexcept override;
    [[nodiscard]] const BackendLimits& limits() const noexcept override;
    // avx512, avx2 or portable
    [[nodiscard]] std::string_view kernels() const noexcept;

private:
    // Of a classifier nobody wants a token. Never fails, but for single sequences (Row::failed).
    [[nodiscard]] Result<void> compute(std::span<const SequenceStep> sequences,
                                       StepOutput& output) override;

    class State;
    explicit CpuBackend(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace casc::gpu
