#pragma once
// casc/gpu/random_model.hpp: models of random numbers, for measuring and checking where there are
// no others: they take as long as real ones of their shape, and say nothing.

#include <casc/gpu/model_weights.hpp>
#include <casc/gpu/tensor.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace casc::gpu {

// Names as in ModelConfig.
struct RandomModelShape {
    std::string kind = "llama";  // or phi3, whose q, k and v are one matrix, as are gate and up
    std::size_t hidden_size = 768;
    std::size_t inner_size = 2048;
    std::size_t layer_count = 13;
    std::size_t head_count = 12;
    std::size_t kv_head_count = 4;
    std::size_t vocabulary_size = 32'000;
    std::size_t context_tokens = 640;
    bool ties_embeddings = true;
    std::size_t window_tokens = 0;  // of phi3: how far back is looked; 0: to the beginning
    // Of phi3: longrope, whose factors are others beyond so many tokens; 0: none.
    std::size_t original_context_tokens = 0;
    std::size_t label_count = 0;           // of a classifier, two at least; 0: it generates
    ElementType type = ElementType::bf16;  // or f16, f32
    // The embedding of the vocabulary's last token is no number; not of one that is tied.
    bool poisons_last_token = false;

    // The default: 110 million numbers.
    [[nodiscard]] static RandomModelShape small() { return {}; }
    // That of phi-3-mini: 3.8 thousand million.
    [[nodiscard]] static RandomModelShape phi3_mini();
};

// Writes config.json and model.safetensors. The same seed has the same numbers. Thread: any. Fails
// with: io_failed.
[[nodiscard]] Result<void> write_random_model(const RandomModelShape& shape, std::uint64_t seed,
                                              const std::filesystem::path& folder);
// The same in a temporary folder, which has no name any more when it returns.
[[nodiscard]] Result<ModelWeights> make_random_model(const RandomModelShape& shape,
                                                     std::uint64_t seed);

}  // namespace casc::gpu
