#pragma once
// casc/gpu/tensor.hpp: what a tensor of a model's file is, without copying it.

#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

// The kinds of numbers that files of models have. All little-endian.
enum class ElementType : std::uint8_t {
    f64,
    f32,
    f16,
    bf16,
    f8_e4m3,
    f8_e5m2,
    i64,
    i32,
    i16,
    i8,
    u64,
    u32,
    u16,
    u8,
    boolean
};

[[nodiscard]] std::size_t element_bytes(ElementType type) noexcept;
// As safetensors files say it: "BF16".
[[nodiscard]] std::string_view to_string(ElementType type) noexcept;
[[nodiscard]] std::optional<ElementType> element_type_of(std::string_view name) noexcept;

// Rows first: shape {2, 3} is two rows of three. Lifetime: that of the file it lies in.
struct Tensor {
    std::string name;
    ElementType type = ElementType::f32;
    std::vector<std::uint64_t> shape;  // empty: one number
    std::span<const std::byte> bytes;  // not aligned

    // "BF16 [32064, 3072]"
    [[nodiscard]] std::string description() const;
};

}  // namespace casc::gpu
