#pragma once
// cuda/device_weights.hpp: a model's matrices on the device.

#include "cuda/api.hpp"
#include "cuda/device_matrix.hpp"
#include "model/rope.hpp"

#include <casc/gpu/backend.hpp>
#include <casc/gpu/model_weights.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <vector>

namespace casc::gpu::cuda {

// What has the same input is one matrix: its rows lie one behind the other.
struct DeviceLayer {
    const float* input_norm = nullptr;  // [hidden_size]
    DeviceMatrix qkv;                   // [query_size + 2 * kv_size, hidden_size]
    DeviceMatrix o;                     // [hidden_size, query_size]
    const float* inner_norm = nullptr;
    DeviceMatrix gate_and_up;  // [2 * inner_size, hidden_size]
    DeviceMatrix down;         // [hidden_size, inner_size]
};

// Lifetime: that of the memory.
struct DeviceWeights {
    const void* embedding = nullptr;
    std::vector<DeviceLayer> layers;
    const float* final_norm = nullptr;
    DeviceMatrix head;             // the embedding, when tied
    const float* turns = nullptr;  // [1 or 2 tables, context_tokens, head_size]
};

// What matrices are on the device.
struct NumberTypes {
    ElementType type = ElementType::bf16;    // of the embedding and the head, keys and values
    ElementType layers = ElementType::bf16;  // of the layers' matrices: the same, or f8_e4m3
    [[nodiscard]] bool has_8_bits() const noexcept { return layers != type; }
};

// As in the file, or with 8 bits in the layers. Fails with: not_supported, when they are not of one
// type, or of one that is not made 8 bits (all but bf16).
[[nodiscard]] Result<NumberTypes> types_of(const ModelWeights& weights, bool to_8_bits);

[[nodiscard]] std::size_t device_weight_bytes(const ModelWeights& weights,
                                              const BackendLimits& limits,
                                              const NumberTypes& types);
// Through two pieces of pinned memory: one is filled from the file while the other is copied. Fails
// with: device_failed.
[[nodiscard]] Result<DeviceWeights> upload(const ModelWeights& weights, const Rope& rope,
                                           const BackendLimits& limits, const NumberTypes& types,
                                           DeviceMemory& memory);

}  // namespace casc::gpu::cuda
