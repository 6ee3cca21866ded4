#pragma once
// cuda/step.hpp: from the sequences of a step to its output, by way of a slab.

#include "cuda/api.hpp"
#include "cuda/step_slab.hpp"
#include "cuda/transformer.hpp"
#include "slot_book.hpp"

#include <casc/gpu/backend.hpp>
#include <casc/gpu/cuda_backend.hpp>
#include <casc/types/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace casc::gpu::cuda {

// Thread: one at a time. Lifetime: borrows the model, its rope and the transformer.
class Step {
public:
    // On the device, besides the transformer's.
    [[nodiscard]] static std::size_t device_bytes(const BackendLimits& limits);
    [[nodiscard]] static Result<Step> make(const ModelConfig& model, const BackendLimits& limits,
                                           const Rope& rope, Transformer& transformer,
                                           DeviceMemory& memory);

    Step(Step&&) = default;
    Step& operator=(Step&&) = delete;
    ~Step();

    [[nodiscard]] Result<void> warm_up();
    // See Backend.
    [[nodiscard]] Result<void> launch(std::span<const SequenceStep> sequences, StepOutput& output);
    [[nodiscard]] Result<void> finish();
    [[nodiscard]] cudaStream_t stream() const noexcept { return stream_.get(); }
    [[nodiscard]] const CudaCounts& counts() const noexcept { return counts_; }

private:
    struct MadeGraph {
        StepSize size;
        ReadyGraph graph;
    };
    Step(const ModelConfig& model, const BackendLimits& limits, const Rope& rope,
         Transformer& transformer);

    // Longrope's.
    [[nodiscard]] Result<void> prepare(const SequenceStep& sequence);
    // Fills the slab, and says how much there is to launch.
    [[nodiscard]] StepSize fill(std::span<const SequenceStep> sequences);
    void fill_tokens(std::span<const NewToken> tokens);
    void fill_tiles(std::uint32_t first_token, std::size_t count);
    std::uint32_t fill_rows(std::span<const SequenceStep> sequences, bool through_head,
                            std::uint32_t row);
    // A step like many others: one token each, of which the next is wanted.
    [[nodiscard]] bool is_plain(const StepSize& size) const noexcept;
    [[nodiscard]] StepSize bucket_of(const StepSize& size) const noexcept;
    [[nodiscard]] Result<void> begin(std::span<const SequenceStep> sequences, StepOutput& output);
    [[nodiscard]] Result<void> launch_size(const StepSize& size);
    void note_launches(std::uint64_t kernels) noexcept;
    [[nodiscard]] Result<void> launch_graph(const StepSize& bucket);
    [[nodiscard]] Result<ReadyGraph> capture(const StepSize& bucket);
    [[nodiscard]] Result<void> copy_back(void* to, const void* from, std::size_t bytes);
    [[nodiscard]] Result<void> copy_tokens(const StepSize& size);
    [[nodiscard]] Result<void> fetch_values();
    [[nodiscard]] Result<void> note_end();
    [[nodiscard]] Result<void> wait();
    void recover() noexcept;
    void give_out(StepOutput& output) const;
    static void finish_row(std::span<const float> values, StepOutput::Row& row);

    // Fixed after construction.
    const ModelConfig& model_;
    const BackendLimits limits_;
    Transformer& transformer_;
    PinnedMemory pinned_;
    StepSlab here_;
    StepSlab there_;
    SampledToken* sampled_ = nullptr;  // in pinned memory
    SlotBook book_;
    // Of the step.
    std::vector<Wanted> wanted_;  // by each sequence
    StepSize size_;
    StepOutput* output_ = nullptr;
    std::vector<NewToken> tokens_;
    std::vector<std::uint32_t> last_tokens_;  // of each sequence: the place of its last token
    std::vector<std::uint32_t> rows_;         // of each sequence that wants something: its row
    std::uint32_t tiles_ = 0;
    std::size_t states_at_ = 0;          // in the output's memory
    std::chrono::nanoseconds waited_{};  // for the device
    CudaCounts counts_;
    // Destroyed first: what is on the stream uses all of the above.
    std::vector<MadeGraph> graphs_;
    Event done_;
    Stream stream_;
};

}  // namespace casc::gpu::cuda
