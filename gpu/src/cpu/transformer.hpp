#pragma once
// cpu/transformer.hpp: the layers of a model, for the new tokens of a step.
//
// Each matrix is multiplied with all tokens of the step before the next one is looked at, a panel
// of its rows by each thread at a time: what decoding waits for is the weights coming from memory,
// and so they come once, however many tokens there are.

#include "cpu/float_memory.hpp"
#include "cpu/kernels.hpp"
#include "cpu/kv_cache.hpp"
#include "cpu/worker_pool.hpp"
#include "model/rope.hpp"
#include "new_token.hpp"

#include <casc/gpu/backend.hpp>
#include <casc/gpu/model_weights.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace casc::gpu::cpu {

// Thread: one at a time. Lifetime: borrows all that it is made of.
class Transformer {
public:
    // What it works with, besides the weights and the cache.
    [[nodiscard]] static unsigned __int128 floats(const ModelConfig& model,
                                                  const BackendLimits& limits, std::size_t threads);
    Transformer(const ModelWeights& weights, const BackendLimits& limits, const KvCache& cache,
                const Kernels& kernels, WorkerPool& pool, FloatMemory& memory);

    [[nodiscard]] const Rope& rope() const noexcept { return rope_; }
    // Computes the tokens, step_tokens_max of them at most, each after those before it in its slot,
    // which are in the cache or earlier among the tokens; and puts them into the cache.
    void compute(std::span<const NewToken> tokens);
    // The state of one of these tokens behind the last norm: hidden_size numbers.
    void finish(std::size_t token, float* out) const;
    // The head times such states.
    void multiply_head(const Inputs& states, float* out) const;

private:
    struct Product {
        const WeightMatrix* matrix;
        const float* in;
        std::size_t stride;
        float* out;  // as many numbers a token as the matrix has rows
    };

    template <class Work>
    void for_tokens(const Work& work) const;
    void multiply(std::span<const Product> products, std::size_t tokens) const;
    void multiply_panel(const Product& product, std::size_t tokens, std::size_t panel) const;
    void begin(std::size_t token);
    void add_and_normalise(std::size_t token, std::span<const float> norm);
    void normalise(const float* state, std::span<const float> norm, float* out) const;
    void place(std::size_t layer, std::size_t token);
    void attend(std::size_t layer);
    void attend_head(std::size_t layer, std::size_t token, std::size_t head, float* scores);
    void compute_inner(const LayerWeights& layer);

    // Fixed after construction.
    const ModelWeights& weights_;
    const ModelConfig& model_;
    const BackendLimits limits_;
    const KvCache cache_;
    const Kernels& kernels_;
    WorkerPool& pool_;
    const Rope rope_;
    std::vector<std::span<float>> norms_;  // two of each layer and the last one
    // Of the step. Each has a row for each token.
    std::span<const NewToken> tokens_;
    std::span<float> states_;    // hidden_size
    std::span<float> changes_;   // the same: what attention or the inner part adds to it
    std::span<float> normed_;    // the same: what the next matrices are multiplied with
    std::span<float> turns_;     // head_size
    std::span<float> queries_;   // query_size
    std::span<float> keys_;      // kv_size
    std::span<float> values_;    // kv_size
    std::span<float> attended_;  // query_size
    std::span<float> gates_;     // inner_size
    std::span<float> ups_;       // inner_size
    // For each thread: a row for each head of a group, of context_tokens.
    std::span<float> scores_;
};

}  // namespace casc::gpu::cpu
