#pragma once
// cpu/kv_cache.hpp: the keys and values of the tokens so far, in slots.
//
// Those of one head of one slot are together, one token behind the other, so that attention walks
// over memory from the beginning to the end.

#include <casc/gpu/backend.hpp>

#include <cstddef>
#include <span>

namespace casc::gpu::cpu {

// Thread: any number at once on different tokens. Lifetime: that of the memory.
class KvCache {
public:
    // Of the keys, and as many again of the values.
    [[nodiscard]] static unsigned __int128 floats(const ModelConfig& model,
                                                  const BackendLimits& limits) {
        return static_cast<unsigned __int128>(model.layer_count) * model.kv_size() *
               limits.slot_count * limits.context_tokens;
    }
    KvCache() = default;
    KvCache(const ModelConfig& model, const BackendLimits& limits, std::span<float> keys,
            std::span<float> values)
        : keys_(keys.data()),
          values_(values.data()),
          slots_(limits.slot_count),
          heads_(model.kv_head_count),
          head_floats_(limits.context_tokens * model.head_size) {}

    // [context_tokens, head_size]
    [[nodiscard]] float* keys(std::size_t layer, SlotId slot, std::size_t head) const noexcept {
        return keys_ + place(layer, slot, head);
    }
    [[nodiscard]] float* values(std::size_t layer, SlotId slot, std::size_t head) const noexcept {
        return values_ + place(layer, slot, head);
    }

private:
    [[nodiscard]] std::size_t place(std::size_t layer, SlotId slot,
                                    std::size_t head) const noexcept {
        return ((layer * slots_ + slot) * heads_ + head) * head_floats_;
    }

    float* keys_ = nullptr;
    float* values_ = nullptr;
    std::size_t slots_ = 0;
    std::size_t heads_ = 0;
    std::size_t head_floats_ = 0;
};

}  // namespace casc::gpu::cpu
