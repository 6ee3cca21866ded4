#pragma once
// The CUDA backend on an emulated device, and what is asked of it.

#include "emulated_cuda.hpp"
#include "model_fixture.hpp"

#include <casc/gpu/cuda_backend.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace casc::gpu {

inline std::unique_ptr<CudaBackend> cuda_of(ModelWeights weights, CudaOptions options = {}) {
    emulated_cuda::reset();
    options.tunes = false;
    options.step_tokens_max = std::min(options.step_tokens_max, 200u);
    return required(CudaBackend::make(std::move(weights), options), "cuda");
}
inline std::unique_ptr<CudaBackend> cuda_of_model(const std::string& name,
                                                  const CudaOptions& options = {}) {
    return cuda_of(weights_of_model(name), options);
}

inline float farthest(const Numbers& a, const Numbers& b) {
    REQUIRE(a.size() == b.size());
    float most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const float off = std::abs(a[i] - b[i]);
        if (std::isnan(off)) return off;  // and is below nothing
        most = std::max(most, off);
    }
    return most;
}

// Of several texts at once, of which each has one more token: the next of each.
inline Tokens next_tokens(Backend& backend, const std::vector<Tokens>& texts) {
    std::vector<SequenceStep> steps;
    for (SlotId slot = 0; slot < texts.size(); ++slot)
        steps.push_back({.slot = slot,
                         .position = static_cast<std::uint32_t>(texts[slot].size() - 1),
                         .tokens = std::span(texts[slot]).last(1),
                         .wanted = Wanted::token});
    StepOutput output;
    REQUIRE(backend.step(steps, output));
    Tokens tokens;
    for (const StepOutput::Row& row : output.rows)
        tokens.push_back(row.token);
    return tokens;
}

inline void put_prompts(Backend& backend, const std::vector<Tokens>& texts) {
    for (SlotId slot = 0; slot < texts.size(); ++slot)
        if (texts[slot].size() > 1)
            values_of(backend, slot, 0, std::span(texts[slot]).first(texts[slot].size() - 1),
                      Wanted::nothing);
}

}  // namespace casc::gpu
