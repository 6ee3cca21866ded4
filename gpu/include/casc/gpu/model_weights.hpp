#pragma once
// casc/gpu/model_weights.hpp: the matrices of a model by what they do, checked against its config.
//
//   CASC_TRY(ModelWeights weights, ModelWeights::open(folder));
//   multiply(weights.layers()[0].down, …);
//
// The names and shapes are those of Hugging Face's LlamaForCausalLM, MistralForCausalLM and
// Phi3ForCausalLM (whose q, k and v are the rows of one matrix, as are gate and up), and of their
// …ForSequenceClassification, which have `score` for a last matrix.

#include <casc/gpu/model_config.hpp>
#include <casc/gpu/safetensors.hpp>
#include <casc/gpu/tensor.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

namespace casc::gpu {

// A matrix as it lies in the file: one row of `columns` numbers for each output, row after row.
// Lifetime: that of the file. Not aligned.
struct WeightMatrix {
    std::size_t rows = 0;                 // outputs
    std::size_t columns = 0;              // inputs
    ElementType type = ElementType::f32;  // f32, bf16 or f16
    const std::byte* data = nullptr;

    [[nodiscard]] std::size_t row_bytes() const noexcept { return columns * element_bytes(type); }
    [[nodiscard]] std::size_t bytes() const noexcept { return rows * row_bytes(); }
    [[nodiscard]] WeightMatrix rows_from(std::size_t first, std::size_t count) const noexcept {
        return {count, columns, type, data + first * row_bytes()};
    }
};

struct LayerWeights {
    WeightMatrix input_norm;  // norms: one row of hidden_size
    WeightMatrix q;           // [query_size, hidden_size]
    WeightMatrix k;           // [kv_size, hidden_size]
    WeightMatrix v;           // [kv_size, hidden_size]
    WeightMatrix o;           // [hidden_size, query_size]
    WeightMatrix inner_norm;
    WeightMatrix gate;  // [inner_size, hidden_size]
    WeightMatrix up;    // [inner_size, hidden_size]
    WeightMatrix down;  // [hidden_size, inner_size]
};

// Thread: any. Lifetime: keeps the files mapped.
class ModelWeights {
public:
    // Every matrix that the config asks for is there, has the shape that it asks for and numbers
    // of 16 or 32 bits; and there is nothing else, since whatever a model has and nobody computes
    // with would be missing from its answers. Exempt are tables of rotary frequencies, which older
    // files have and the config says as well, and a last matrix that is tied and the same.
    // Fails with: model_unusable, with the tensor, what was expected and what was found.
    [[nodiscard]] static Result<ModelWeights> make(TensorFiles files, ModelConfig config);
    // The same of a folder with its config.json, and its generation_config.json if it has one.
    [[nodiscard]] static Result<ModelWeights> open(const std::filesystem::path& folder);

    [[nodiscard]] const ModelConfig& config() const noexcept { return config_; }
    // [vocabulary_size, hidden_size]
    [[nodiscard]] const WeightMatrix& embedding() const noexcept { return embedding_; }
    [[nodiscard]] std::span<const LayerWeights> layers() const noexcept { return layers_; }
    [[nodiscard]] const WeightMatrix& final_norm() const noexcept { return final_norm_; }
    // [vocabulary_size, hidden_size], the embedding itself when tied; of a classifier [labels,
    // hidden_size].
    [[nodiscard]] const WeightMatrix& head() const noexcept { return head_; }
    [[nodiscard]] bool is_tied() const noexcept { return head_.data == embedding_.data; }
    // Of all that is computed with, and of what of it is neither the embedding nor the head.
    [[nodiscard]] std::size_t layer_bytes() const noexcept {
        return bytes_ - embedding_.bytes() - (is_tied() ? 0 : head_.bytes());
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    ModelWeights(TensorFiles files, ModelConfig config)
        : files_(std::move(files)), config_(std::move(config)) {}

    TensorFiles files_;
    ModelConfig config_;
    WeightMatrix embedding_;
    std::vector<LayerWeights> layers_;
    WeightMatrix final_norm_;
    WeightMatrix head_;
    std::size_t bytes_ = 0;
};

}  // namespace casc::gpu
