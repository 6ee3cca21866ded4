#pragma once
// cuda/device_weights.hpp: a model's matrices on the device.

#include "cuda/api.hpp"
#include "rope.hpp"

#include <casc/gpu/backend.hpp>
#include <casc/gpu/model_weights.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <vector>

namespace casc::gpu::cuda {

// What has the same input is one matrix: its rows lie one behind the other.
struct DeviceLayer {
    const float* input_norm = nullptr;  // [hidden_size]
    const void* qkv = nullptr;          // [query_size + 2 * kv_size, hidden_size]
    const void* o = nullptr;            // [hidden_size, query_size]
    const float* inner_norm = nullptr;
    const void* gate_and_up = nullptr;  // [2 * inner_size, hidden_size]
    const void* down = nullptr;         // [hidden_size, inner_size]
};

// Lifetime: that of the memory.
struct DeviceWeights {
    const void* embedding = nullptr;
    std::vector<DeviceLayer> layers;
    const float* final_norm = nullptr;
    const void* head = nullptr;    // the embedding, when tied
    const float* turns = nullptr;  // [1 or 2 tables, context_tokens, head_size]
};

// Of all matrices. Fails with: not_supported, when they are not of one type.
[[nodiscard]] Result<ElementType> type_of(const ModelWeights& weights);

[[nodiscard]] std::size_t device_weight_bytes(const ModelWeights& weights,
                                              const BackendLimits& limits);
// Through two pieces of pinned memory: one is filled from the file while the other is copied. Fails
// with: device_failed.
[[nodiscard]] Result<DeviceWeights> upload(const ModelWeights& weights, const Rope& rope,
                                           const BackendLimits& limits, DeviceMemory& memory);

}  // namespace casc::gpu::cuda
