#pragma once
// casc/gpu/host_backend.hpp: what a backend is that computes on the thread which calls it, where
// there is nothing to begin: launch() keeps the step, and finish() computes it.

#include <casc/gpu/backend.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace casc::gpu {

class HostBackend : public Backend {
public:
    [[nodiscard]] Result<void> launch(std::span<const SequenceStep> sequences,
                                      StepOutput& output) final {
        steps_.assign(sequences.begin(), sequences.end());
        tokens_.clear();
        for (const SequenceStep& step : steps_)
            tokens_.insert(tokens_.end(), step.tokens.begin(), step.tokens.end());
        std::size_t first = 0;
        for (SequenceStep& step : steps_) {
            step.tokens = std::span<const TokenId>(tokens_).subspan(first, step.tokens.size());
            first += step.tokens.size();
        }
        output_ = &output;
        return {};
    }
    [[nodiscard]] Result<void> finish() final { return compute(steps_, *output_); }
    [[nodiscard]] bool computes_by_itself() const noexcept final { return false; }

protected:
    // As backend.hpp says of the two together.
    [[nodiscard]] virtual Result<void> compute(std::span<const SequenceStep> sequences,
                                               StepOutput& output) = 0;

private:
    std::vector<SequenceStep> steps_;
    std::vector<TokenId> tokens_;
    StepOutput* output_ = nullptr;
};

}  // namespace casc::gpu
