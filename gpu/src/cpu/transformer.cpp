#include "cpu/transformer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace casc::gpu::cpu {
namespace {

// Fewer are done by one thread in less time than it takes to share them out.
constexpr std::size_t kTokensWorthSharing = 8;

std::size_t panels_of(const WeightMatrix& matrix) {
    return (matrix.rows + kPanelRows - 1) / kPanelRows;
}

}  // namespace

// ---- memory -------------------------------------------------------------------------------------

unsigned __int128 Transformer::floats(const ModelConfig& model, const BackendLimits& limits,
                                      std::size_t threads) {
    using Wide = unsigned __int128;
    const Wide token = 3 * in_lines(model.hidden_size) + in_lines(model.head_size) +
                       2 * in_lines(model.query_size()) + 2 * in_lines(model.kv_size()) +
                       2 * in_lines(model.inner_size);
    const Wide norms = (2 * model.layer_count + 1) * in_lines(model.hidden_size);
    const Wide group = model.head_count / model.kv_head_count;
    return token * limits.step_tokens_max + norms +
           in_lines(limits.context_tokens) * group * threads;
}

Transformer::Transformer(const ModelWeights& weights, const BackendLimits& limits,
                         const KvCache& cache, const Kernels& kernels, WorkerPool& pool,
                         FloatMemory& memory)
    : weights_(weights),
      model_(weights.config()),
      limits_(limits),
      cache_(cache),
      kernels_(kernels),
      pool_(pool),
      rope_(Rope::of(model_)) {
    const auto keep_norm = [&](const WeightMatrix& norm) {
        norms_.push_back(memory.take(norm.columns));
        widen(norm.type, norm.data, norm.columns, norms_.back().data());
    };
    for (const LayerWeights& layer : weights.layers()) {
        keep_norm(layer.input_norm);
        keep_norm(layer.inner_norm);
    }
    keep_norm(weights.final_norm());
    const auto for_each_token = [&](std::size_t size) {
        return memory.take(size * limits.step_tokens_max);
    };
    states_ = for_each_token(model_.hidden_size);
    changes_ = for_each_token(model_.hidden_size);
    normed_ = for_each_token(model_.hidden_size);
    turns_ = for_each_token(model_.head_size);
    queries_ = for_each_token(model_.query_size());
    keys_ = for_each_token(model_.kv_size());
    values_ = for_each_token(model_.kv_size());
    attended_ = for_each_token(model_.query_size());
    gates_ = for_each_token(model_.inner_size);
    ups_ = for_each_token(model_.inner_size);
    const std::size_t group = model_.head_count / model_.kv_head_count;
    scores_ = memory.take(in_lines(limits.context_tokens) * group * pool.size());
}

// ---- shared out ---------------------------------------------------------------------------------

template <class Work>
void Transformer::for_tokens(const Work& work) const {
    const std::size_t count = tokens_.size();
    if (count >= kTokensWorthSharing)
        return pool_.run(count, [&](std::size_t token, std::size_t) { work(token); });
    for (std::size_t token = 0; token < count; ++token)
        work(token);
}

void Transformer::multiply_panel(const Product& product, std::size_t tokens,
                                 std::size_t panel) const {
    const WeightMatrix& matrix = *product.matrix;
    const std::size_t first = panel * kPanelRows;
    kernels_.multiply(matrix.rows_from(first, std::min(kPanelRows, matrix.rows - first)),
                      {product.in, product.stride, tokens}, {product.out + first, matrix.rows});
}

void Transformer::multiply(std::span<const Product> products, std::size_t tokens) const {
    std::size_t panels = 0;
    for (const Product& product : products)
        panels += panels_of(*product.matrix);
    pool_.run(panels, [&](std::size_t panel, std::size_t) {
        const Product* product = products.data();
        for (; panel >= panels_of(*product->matrix); ++product)
            panel -= panels_of(*product->matrix);
        multiply_panel(*product, tokens, panel);
    });
}

// ---- the layers ---------------------------------------------------------------------------------

void Transformer::compute(std::span<const NewToken> tokens) {
    tokens_ = tokens;
    const std::size_t count = tokens.size();
    const std::size_t hidden = model_.hidden_size;
    for_tokens([&](std::size_t token) { begin(token); });
    for (std::size_t i = 0; i < model_.layer_count; ++i) {
        const LayerWeights& layer = weights_.layers()[i];
        for_tokens([&](std::size_t token) { add_and_normalise(token, norms_[2 * i]); });
        multiply(std::array{Product{&layer.q, normed_.data(), hidden, queries_.data()},
                            Product{&layer.k, normed_.data(), hidden, keys_.data()},
                            Product{&layer.v, normed_.data(), hidden, values_.data()}},
                 count);
        for_tokens([&](std::size_t token) { place(i, token); });
        attend(i);
        multiply(
            std::array{Product{&layer.o, attended_.data(), model_.query_size(), changes_.data()}},
            count);
        for_tokens([&](std::size_t token) { add_and_normalise(token, norms_[2 * i + 1]); });
        compute_inner(layer);
        multiply(
            std::array{Product{&layer.down, gates_.data(), model_.inner_size, changes_.data()}},
            count);
    }
    for_tokens([&](std::size_t token) { add_and_normalise(token, norms_.back()); });
}

void Transformer::begin(std::size_t token) {
    const NewToken& is = tokens_[token];
    const WeightMatrix row = weights_.embedding().rows_from(is.token, 1);
    const std::size_t hidden = model_.hidden_size;
    widen(row.type, row.data, hidden, states_.data() + token * hidden);
    std::ranges::fill(changes_.subspan(token * hidden, hidden), 0.0f);
    rope_.table(is.is_beyond)
        .turns_at(is.position, turns_.subspan(token * model_.head_size, model_.head_size));
}

void Transformer::add_and_normalise(std::size_t token, std::span<const float> norm) {
    const std::size_t hidden = model_.hidden_size;
    float* const state = states_.data() + token * hidden;
    const float* const change = changes_.data() + token * hidden;
    for (std::size_t i = 0; i < hidden; ++i)
        state[i] += change[i];
    normalise(state, norm, normed_.data() + token * hidden);
}

// "Root Mean Square Layer Normalization", arxiv.org/abs/1910.07467.
void Transformer::normalise(const float* state, std::span<const float> norm, float* out) const {
    const std::size_t hidden = norm.size();
    float squares = 0;
    kernels_.multiply({1, hidden, ElementType::f32, reinterpret_cast<const std::byte*>(state)},
                      {state, hidden, 1}, {&squares, 1});
    const double mean = static_cast<double>(squares) / static_cast<double>(hidden);
    const auto scale = static_cast<float>(1 / std::sqrt(mean + model_.norm_epsilon));
    for (std::size_t i = 0; i < hidden; ++i)
        out[i] = state[i] * scale * norm[i];
}

// Turns the token's queries and keys, and puts the keys and values into its slot.
void Transformer::place(std::size_t layer, std::size_t token) {
    const NewToken& is = tokens_[token];
    const std::size_t size = model_.head_size;
    const auto turns = turns_.subspan(token * size, size);
    for (std::size_t head = 0; head < model_.head_count; ++head)
        turn_head(queries_.subspan(token * model_.query_size() + head * size, size), turns);
    for (std::size_t head = 0; head < model_.kv_head_count; ++head) {
        const std::size_t at = token * model_.kv_size() + head * size;
        turn_head(keys_.subspan(at, size), turns);
        const std::size_t place = is.position * size;
        std::memcpy(cache_.keys(layer, is.slot, head) + place, &keys_[at], size * sizeof(float));
        std::memcpy(cache_.values(layer, is.slot, head) + place, &values_[at],
                    size * sizeof(float));
    }
}

void Transformer::attend(std::size_t layer) {
    const std::size_t heads = model_.kv_head_count;
    const std::size_t worker_scores = scores_.size() / pool_.size();
    pool_.run(tokens_.size() * heads, [&](std::size_t item, std::size_t worker) {
        attend_head(layer, item / heads, item % heads, scores_.data() + worker * worker_scores);
    });
}

// All heads of queries that look at one head of keys, so that those are read once.
void Transformer::attend_head(std::size_t layer, std::size_t token, std::size_t head,
                              float* scores) {
    const NewToken& is = tokens_[token];
    const std::size_t size = model_.head_size;
    const std::size_t group = model_.head_count / model_.kv_head_count;
    const std::size_t seen = is.position + std::size_t{1};  // tokens, itself among them
    const std::size_t count = std::min(seen, model_.window_tokens.value_or(seen));
    const std::size_t first = (seen - count) * size;
    const std::size_t stride = in_lines(limits_.context_tokens);
    const float* const keys = cache_.keys(layer, is.slot, head) + first;
    const float* const values = cache_.values(layer, is.slot, head) + first;
    const std::size_t at = token * model_.query_size() + head * group * size;
    kernels_.multiply({count, size, ElementType::f32, reinterpret_cast<const std::byte*>(keys)},
                      {queries_.data() + at, size, group}, {scores, stride});
    const float scale = 1 / std::sqrt(static_cast<float>(size));
    for (std::size_t i = 0; i < group; ++i) {
        kernels_.to_shares(scores + i * stride, count, scale);
        kernels_.blend(scores + i * stride, {values, size, count}, size,
                       attended_.data() + at + i * size);
    }
}

// Gate and up, and one applied to the other while both are at hand.
void Transformer::compute_inner(const LayerWeights& layer) {
    const std::size_t inner = model_.inner_size;
    const std::size_t count = tokens_.size();
    const Product gate{&layer.gate, normed_.data(), model_.hidden_size, gates_.data()};
    const Product up{&layer.up, normed_.data(), model_.hidden_size, ups_.data()};
    pool_.run(panels_of(layer.gate), [&](std::size_t panel, std::size_t) {
        multiply_panel(gate, count, panel);
        multiply_panel(up, count, panel);
        const std::size_t first = panel * kPanelRows;
        for (std::size_t token = 0; token < count; ++token)
            kernels_.gate(gates_.data() + token * inner + first,
                          ups_.data() + token * inner + first, std::min(kPanelRows, inner - first));
    });
}

// ---- behind the layers --------------------------------------------------------------------------

void Transformer::finish(std::size_t token, float* out) const {
    const std::size_t hidden = model_.hidden_size;
    std::memcpy(out, normed_.data() + token * hidden, hidden * sizeof *out);
}

void Transformer::multiply_head(const Inputs& states, float* out) const {
    multiply(std::array{Product{&weights_.head(), states.data, states.stride, out}}, states.count);
}

}  // namespace casc::gpu::cpu
