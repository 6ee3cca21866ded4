#pragma once
// casc/gpu/model_config.hpp: what a model is, as its config.json says it: decoder-only transformers
// of the Llama, Mistral and Phi-3 family, for generating text or (…ForSequenceClassification) for
// telling classes apart.
//
// Names of keys and their defaults are those of Hugging Face's LlamaConfig, MistralConfig and
// Phi3Config. What is asked for and not understood is refused: a model that runs with a part of its
// arithmetic left out answers, and wrongly.

#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

// How positions beyond those of the training are told apart.
struct RopeScaling {
    enum class Kind : std::uint8_t {
        none,
        linear,   // positions divided by `factor`
        llama3,   // slow frequencies divided by it, fast ones left, those between blended
        longrope  // a factor for each frequency: one list up to original_context, one beyond
    };
    Kind kind = Kind::none;
    double factor = 1;
    double low_frequency_factor = 1;    // llama3
    double high_frequency_factor = 4;   // llama3
    std::size_t original_context = 0;   // llama3, longrope: tokens
    std::vector<double> short_factors;  // longrope: head_size / 2 of them
    std::vector<double> long_factors;   // the same
};

struct ModelConfig {
    std::string kind;  // llama, mistral, phi3
    std::size_t hidden_size = 0;
    std::size_t layer_count = 0;
    std::size_t head_count = 0;     // of queries
    std::size_t kv_head_count = 0;  // of keys and values; divides head_count
    std::size_t head_size = 0;
    std::size_t inner_size = 0;  // of the feed-forward part
    std::size_t vocabulary_size = 0;
    std::size_t context_tokens = 0;  // prompt and answer together
    double norm_epsilon = 0;
    double rope_theta = 0;
    RopeScaling rope;
    std::optional<std::size_t> window_tokens;  // how far back is looked; nothing: to the beginning
    bool ties_embeddings = false;              // the last matrix is the first one
    std::vector<std::uint32_t> end_tokens;     // any of them ends an answer
    std::optional<std::uint32_t> begin_token;
    std::vector<std::string> labels;  // of a classifier; empty: it generates

    [[nodiscard]] bool classifies() const noexcept { return !labels.empty(); }
    [[nodiscard]] std::size_t query_size() const noexcept { return head_count * head_size; }
    [[nodiscard]] std::size_t kv_size() const noexcept { return kv_head_count * head_size; }

    // What is not written is as Hugging Face's class of the kind has it, and null is nothing.
    // Fails with: model_unusable, with the key that is missing, absurd or not supported.
    [[nodiscard]] static Result<ModelConfig> parse(std::string_view json);
    // generation_config.json, which a folder may have besides: its eos_token_id, one or several,
    // are the end_tokens instead of those of config.json. Where it names none, those stay.
    // Fails with: model_unusable; nothing has changed then.
    [[nodiscard]] Result<void> read_generation(std::string_view json);
};

}  // namespace casc::gpu
