#include "cuda/attention.cuh"
#include "cuda/sample.cuh"
#include "cuda/token_kernels.cuh"
#include "cuda/transformer.hpp"
#include "row_values.hpp"

#include <algorithm>
#include <bit>
#include <string>
#include <type_traits>
#include <vector>

namespace casc::gpu::cuda {
namespace {

using Wide = unsigned __int128;

// Rows of what a step works with: as many tokens as a product is computed for.
std::uint32_t token_rows(const BackendLimits& limits) {
    return Matmul::rounded(
        std::max(limits.step_tokens_max, Transformer::bucket_of(limits.slot_count)));
}
std::uint32_t result_rows(const BackendLimits& limits) {
    return Matmul::rounded(Transformer::bucket_of(limits.slot_count));
}

// As many as a graph is made for: to eighths, since blocks that find nothing to do are not free.
std::uint32_t rounded_splits(std::uint32_t splits) {
    const std::uint32_t step = std::max(1u, std::bit_floor(splits) / 8);
    return (splits + step - 1) / step * step;
}
std::uint32_t splits_max(ElementType type, std::uint32_t tokens) {
    return rounded_splits(type == ElementType::f32 ? splits_of<float>(tokens)
                                                   : splits_of<Bf16>(tokens));
}

// Numbers of each of the parts that a step works with.
struct WorkSizes {
    Wide tokens;
    Wide states, normed, qkv, attended, gate_and_up, gated;   // for tokens
    Wide parts, arrived, final_normed, logits, final_states;  // for rows, or lone tokens
};
WorkSizes work_sizes(const ModelConfig& model, const BackendLimits& limits, ElementType type) {
    const Wide tokens = token_rows(limits);
    const Wide rows = result_rows(limits);
    return {.tokens = tokens,
            .states = tokens * model.hidden_size,
            .normed = tokens * model.hidden_size,
            .qkv = tokens * (model.query_size() + 2 * model.kv_size()),
            .attended = tokens * model.query_size(),
            .gate_and_up = tokens * 2 * model.inner_size,
            .gated = tokens * model.inner_size,
            .parts = rows * model.head_count * splits_max(type, limits.context_tokens) *
                     (model.head_size + 2),
            .arrived = rows * model.head_count,
            .final_normed = rows * model.hidden_size,
            .logits = rows * head_rows(model),
            .final_states = rows * model.hidden_size};
}

Wide cache_numbers(const ModelConfig& model, const BackendLimits& limits) {
    return Wide{2} * model.layer_count * limits.slot_count * model.kv_size() *
           limits.context_tokens;
}

// Products of T, or of 8 bits with what is of T otherwise. Of 8 bits each token has a scale of its
// own, so that its numbers do not depend on others', and so a product is added to the states by
// whoever reads them next, who knows the scale.
template <class T, class In>
class TypedTransformer final : public Transformer {
public:
    TypedTransformer(const ModelConfig& model, const BackendLimits& limits,
                     const DeviceWeights& weights, DeviceMemory& memory, ElementType type,
                     Matmul of_layers, Matmul of_head)
        : model_(model),
          weights_(weights),
          layer_products_(std::move(of_layers)),
          head_products_(std::move(of_head)),
          heads_{.heads = narrow(model.head_count),
                 .kv_heads = narrow(model.kv_head_count),
                 .head_size = narrow(model.head_size),
                 .context_tokens = limits.context_tokens,
                 .window_tokens = narrow(model.window_tokens.value_or(0))},
          layer_cache_(std::size_t{limits.slot_count} * model.kv_size() * limits.context_tokens) {
        const WorkSizes sizes = work_sizes(model, limits, type);
        keys_ = memory.take<T>(layer_cache_ * model.layer_count);
        values_ = memory.take<T>(layer_cache_ * model.layer_count);
        states_ = memory.take<float>(static_cast<std::size_t>(sizes.states));
        normed_ = memory.take<In>(static_cast<std::size_t>(sizes.normed));
        qkv_ = memory.take<T>(static_cast<std::size_t>(sizes.qkv));
        attended_ = memory.take<T>(static_cast<std::size_t>(sizes.attended));
        gate_and_up_ = memory.take<T>(static_cast<std::size_t>(sizes.gate_and_up));
        gated_ = memory.take<T>(static_cast<std::size_t>(sizes.gated));
        if constexpr (kHas8Bits) {
            const auto tokens = static_cast<std::size_t>(sizes.tokens);
            normed_scales_ = memory.take<float>(tokens);
            attended_8_bits_ = memory.take<E4m3>(static_cast<std::size_t>(sizes.attended));
            attended_scales_ = memory.take<float>(tokens);
            gated_8_bits_ = memory.take<E4m3>(static_cast<std::size_t>(sizes.gated));
            gated_scales_ = memory.take<float>(tokens);
            addend_ = memory.take<float>(static_cast<std::size_t>(sizes.states));
        }
        arrived_ = static_cast<std::size_t>(sizes.arrived);
        lone_work_ = {.parts = memory.take<float>(static_cast<std::size_t>(sizes.parts)),
                      .arrived = memory.take<std::uint32_t>(arrived_)};
        final_normed_ = memory.take<T>(static_cast<std::size_t>(sizes.final_normed));
        results_.logits = memory.take<float>(static_cast<std::size_t>(sizes.logits));
        results_.states = memory.take<float>(static_cast<std::size_t>(sizes.final_states));
        results_.tokens = memory.take<SampledToken>(result_rows(limits));
        const std::uint32_t hidden = narrow(model.hidden_size);
        qkv_shape_ = {.rows = narrow(model.query_size() + 2 * model.kv_size()), .columns = hidden};
        o_shape_ = {.rows = hidden,
                    .columns = narrow(model.query_size()),
                    .out_is_float = true,
                    .adds = !kHas8Bits};
        inner_shape_ = {.rows = narrow(2 * model.inner_size), .columns = hidden};
        down_shape_ = {.rows = hidden,
                       .columns = narrow(model.inner_size),
                       .out_is_float = true,
                       .adds = !kHas8Bits};
        head_shape_ = {.rows = narrow(head_rows(model)), .columns = hidden, .out_is_float = true};
    }

    Result<void> prepare(cudaStream_t stream) override {
        const auto bytes = arrived_ * sizeof(std::uint32_t);
        return cuda::check(cudaMemsetAsync(lone_work_.arrived, 0, bytes, stream), "write memory");
    }

    Result<void> tune(std::uint32_t tokens, cudaStream_t stream) override {
        const auto tune_layers = [&](const ProductShape& shape, DeviceMatrix DeviceLayer::*matrix,
                                     const void* in, void* out) {
            std::vector<DeviceMatrix> matrices;
            for (const DeviceLayer& layer : weights_.layers)
                matrices.push_back(layer.*matrix);
            return layer_products_.tune(shape, tokens, matrices, in, out, stream);
        };
        CASC_TRY_VOID(tune_layers(qkv_shape_, &DeviceLayer::qkv, normed_, qkv_));
        CASC_TRY_VOID(tune_layers(o_shape_, &DeviceLayer::o, attended(), layer_output()));
        CASC_TRY_VOID(tune_layers(inner_shape_, &DeviceLayer::gate_and_up, normed_, gate_and_up_));
        CASC_TRY_VOID(tune_layers(down_shape_, &DeviceLayer::down, gated(), layer_output()));
        return head_products_.tune(head_shape_, tokens, {&weights_.head, 1}, final_normed_,
                                   results_.logits, stream);
    }

    Result<void> launch(const StepSize& size, const StepSlab& slab, cudaStream_t stream) override {
        const std::uint32_t hidden = narrow(model_.hidden_size);
        embed(stream, size.tokens, slab, static_cast<const T*>(weights_.embedding), hidden,
              states_);
        for (std::size_t i = 0; i < weights_.layers.size(); ++i)
            CASC_TRY_VOID(launch_layer(i, size, slab, stream));
        if (size.rows > 0)
            normalise<T>(stream, size.rows, slab, /*of_rows=*/true, states_,
                         {addend_, gated_scales_}, weights_.final_norm, hidden, epsilon(),
                         {.normed = final_normed_, .exact = results_.states});
        if (size.head_rows > 0)
            CASC_TRY_VOID(head_products_.multiply(head_shape_, size.head_rows, weights_.head,
                                                  final_normed_, results_.logits, stream));
        if (size.samples)
            sample_rows(stream, size.head_rows, slab, results_.logits, head_shape_.rows,
                        results_.tokens);
        return check_launches();
    }

    const StepResults& results() const noexcept override { return results_; }
    std::uint64_t kernel_count(const StepSize& size) const noexcept override {
        const std::uint64_t layer = 7 + (size.lone_tokens > 0 ? 1u : 0u) +
                                    (size.tiles > 0 ? 2u : 0u) + (kHas8Bits ? 2u : 0u);
        return 1 + layer * weights_.layers.size() + (size.rows > 0 ? 1u : 0u) +
               (size.head_rows > 0 ? 1u : 0u) + (size.samples ? 1u : 0u);
    }
    std::uint32_t splits_for(std::uint32_t tokens) const noexcept override {
        return rounded_splits(splits_of<T>(tokens));
    }

private:
    static constexpr bool kHas8Bits = !std::is_same_v<T, In>;

    static std::uint32_t narrow(std::size_t size) { return static_cast<std::uint32_t>(size); }
    [[nodiscard]] float epsilon() const { return static_cast<float>(model_.norm_epsilon); }
    // What o and down are multiplied with, and where their products go.
    [[nodiscard]] const void* attended() const {
        if constexpr (kHas8Bits) {
            return attended_8_bits_;
        } else {
            return attended_;
        }
    }
    [[nodiscard]] const void* gated() const {
        if constexpr (kHas8Bits) {
            return gated_8_bits_;
        } else {
            return gated_;
        }
    }
    [[nodiscard]] float* layer_output() const { return kHas8Bits ? addend_ : states_; }

    Result<void> launch_layer(std::size_t i, const StepSize& size, const StepSlab& slab,
                              cudaStream_t stream) {
        const DeviceLayer& layer = weights_.layers[i];
        const std::uint32_t tokens = size.tokens;
        T* const keys = keys_ + i * layer_cache_;
        T* const values = values_ + i * layer_cache_;
        const Addend before = i == 0 ? Addend{} : Addend{addend_, gated_scales_};
        launch_norm(tokens, slab, before, layer.input_norm, stream);
        CASC_TRY_VOID(
            layer_products_.multiply(qkv_shape_, tokens, layer.qkv, normed_, qkv_, stream));
        const RotaryTables tables{weights_.turns, normed_scales_};
        if (size.lone_tokens > 0)
            attend_lone<T>(stream, size.lone_tokens, size.splits, slab, heads_, tables, qkv_, keys,
                           values, lone_work_, attended_);
        if (size.tiles > 0) {
            // Without tiles all tokens are lone, or there are none.
            place(stream, size.lone_tokens, tokens - size.lone_tokens, slab, heads_, tables, qkv_,
                  keys, values);
            attend_tiles<T>(stream, size.tiles, slab, heads_, qkv_, keys, values, attended_);
        }
        if constexpr (kHas8Bits)
            to_8_bits(stream, tokens, attended_, narrow(model_.query_size()), attended_8_bits_,
                      attended_scales_);
        CASC_TRY_VOID(layer_products_.multiply(o_shape_, tokens, layer.o, attended(),
                                               layer_output(), stream));
        launch_norm(tokens, slab, {addend_, attended_scales_}, layer.inner_norm, stream);
        CASC_TRY_VOID(layer_products_.multiply(inner_shape_, tokens, layer.gate_and_up, normed_,
                                               gate_and_up_, stream));
        gate<T>(stream, tokens, gate_and_up_, normed_scales_, narrow(model_.inner_size), gated_);
        if constexpr (kHas8Bits)
            to_8_bits(stream, tokens, gated_, narrow(model_.inner_size), gated_8_bits_,
                      gated_scales_);
        return layer_products_.multiply(down_shape_, tokens, layer.down, gated(), layer_output(),
                                        stream);
    }

    void launch_norm(std::uint32_t tokens, const StepSlab& slab, const Addend& addend,
                     const float* norm, cudaStream_t stream) {
        normalise<In>(stream, tokens, slab, /*of_rows=*/false, states_, addend, norm,
                      narrow(model_.hidden_size), epsilon(),
                      {.normed = normed_, .scales = normed_scales_});
    }

    // Fixed after construction.
    const ModelConfig& model_;
    const DeviceWeights& weights_;
    Matmul layer_products_;
    Matmul head_products_;
    const HeadShape heads_;
    const std::size_t layer_cache_;  // numbers of a layer's keys
    ProductShape qkv_shape_;
    ProductShape o_shape_;
    ProductShape inner_shape_;
    ProductShape down_shape_;
    ProductShape head_shape_;
    // The cache: [layers, slots, kv_heads, context_tokens, head_size], each.
    T* keys_ = nullptr;
    T* values_ = nullptr;
    // Of the step: a row for each token.
    float* states_ = nullptr;
    In* normed_ = nullptr;
    T* qkv_ = nullptr;
    T* attended_ = nullptr;
    T* gate_and_up_ = nullptr;
    T* gated_ = nullptr;
    // Of 8 bits alone.
    float* normed_scales_ = nullptr;
    E4m3* attended_8_bits_ = nullptr;
    float* attended_scales_ = nullptr;
    E4m3* gated_8_bits_ = nullptr;
    float* gated_scales_ = nullptr;
    float* addend_ = nullptr;
    LoneWork lone_work_;
    std::size_t arrived_ = 0;    // numbers of its counters
    T* final_normed_ = nullptr;  // a row for each wanted state
    StepResults results_;
};

template <class T, class In>
Result<std::unique_ptr<Transformer>> make_typed(const ModelConfig& model,
                                                const BackendLimits& limits,
                                                const NumberTypes& types,
                                                const DeviceWeights& weights,
                                                DeviceMemory& memory) {
    auto* const work = memory.take<std::byte>(Matmul::kWorkBytes);
    CASC_TRY(Matmul of_layers, Matmul::make(types.layers, types.type, work));
    CASC_TRY(Matmul of_head, Matmul::make(types.type, types.type, work));
    return std::unique_ptr<Transformer>(std::make_unique<TypedTransformer<T, In>>(
        model, limits, weights, memory, types.type, std::move(of_layers), std::move(of_head)));
}

}  // namespace

std::uint32_t Transformer::bucket_of(std::uint32_t sequences) noexcept {
    if (sequences <= 8) return std::bit_ceil(sequences);
    return sequences <= 32 ? (sequences + 7) / 8 * 8 : Matmul::rounded(sequences);
}

Transformer::Need Transformer::need(const ModelConfig& model, const BackendLimits& limits,
                                    const NumberTypes& types) {
    const WorkSizes sizes = work_sizes(model, limits, types.type);
    const Wide width = element_bytes(types.type);
    const Wide floats = sizes.states + sizes.parts + sizes.logits + sizes.final_states;
    const Wide typed =
        sizes.qkv + sizes.attended + sizes.gate_and_up + sizes.gated + sizes.final_normed;
    const Wide of_8_bits =
        types.has_8_bits()
            ? sizes.attended + sizes.gated + sizeof(float) * (sizes.states + 3 * sizes.tokens)
            : 0;
    constexpr Wide kParts = 23;  // each is rounded up
    return {.cache = width * cache_numbers(model, limits),
            .work = sizeof(float) * floats + sizeof(std::uint32_t) * sizes.arrived + width * typed +
                    element_bytes(types.layers) * sizes.normed + of_8_bits +
                    Wide{result_rows(limits)} * sizeof(SampledToken) + Matmul::kWorkBytes +
                    kParts * DeviceMemory::kAlignment};
}

Result<void> Transformer::check(const ModelConfig& model, const NumberTypes& types) {
    const auto refuse = [](const std::string& why) {
        return Error(ErrorCode::not_supported, why + "; on the CPU it is supported");
    };
    if (model.head_size % 8 != 0 || model.head_size > kHeadSizeMax)
        return refuse("heads of " + std::to_string(model.head_size) +
                      " numbers are not supported on a GPU: multiples of 8 up to " +
                      std::to_string(kHeadSizeMax) + " are");
    if (model.hidden_size % 8 != 0 || model.inner_size % 8 != 0)
        return refuse("a hidden size of " + std::to_string(model.hidden_size) +
                      " and inner size of " + std::to_string(model.inner_size) +
                      " are not supported on a GPU: multiples of 8 are");
    constexpr std::size_t kPieces = 16;  // in which cuBLASLt multiplies numbers of 8 bits
    if (types.has_8_bits() &&
        (model.hidden_size % kPieces != 0 || model.inner_size % kPieces != 0 ||
         model.query_size() % kPieces != 0 || 2 * model.kv_size() % kPieces != 0))
        return refuse(
            "weights of 8 bits are not supported for a model one of whose sizes is no "
            "multiple of 16");
    return {};
}

Result<std::unique_ptr<Transformer>> Transformer::make(const ModelConfig& model,
                                                       const BackendLimits& limits,
                                                       const NumberTypes& types,
                                                       const DeviceWeights& weights,
                                                       DeviceMemory& memory) {
    if (types.has_8_bits()) return make_typed<Bf16, E4m3>(model, limits, types, weights, memory);
    switch (types.type) {
        case ElementType::bf16:
            return make_typed<Bf16, Bf16>(model, limits, types, weights, memory);
        case ElementType::f16:
            return make_typed<F16, F16>(model, limits, types, weights, memory);
        default:
            return make_typed<float, float>(model, limits, types, weights, memory);
    }
}

}  // namespace casc::gpu::cuda
