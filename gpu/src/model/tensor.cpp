#include <casc/gpu/tensor.hpp>

#include <algorithm>
#include <array>

namespace casc::gpu {
namespace {

struct ElementInfo {
    ElementType type;
    std::string_view name;
    std::size_t bytes;
};

constexpr std::array<ElementInfo, 15> kElements{{{ElementType::f64, "F64", 8},
                                                 {ElementType::f32, "F32", 4},
                                                 {ElementType::f16, "F16", 2},
                                                 {ElementType::bf16, "BF16", 2},
                                                 {ElementType::f8_e4m3, "F8_E4M3", 1},
                                                 {ElementType::f8_e5m2, "F8_E5M2", 1},
                                                 {ElementType::i64, "I64", 8},
                                                 {ElementType::i32, "I32", 4},
                                                 {ElementType::i16, "I16", 2},
                                                 {ElementType::i8, "I8", 1},
                                                 {ElementType::u64, "U64", 8},
                                                 {ElementType::u32, "U32", 4},
                                                 {ElementType::u16, "U16", 2},
                                                 {ElementType::u8, "U8", 1},
                                                 {ElementType::boolean, "BOOL", 1}}};

constexpr bool are_in_order() {
    for (std::size_t i = 0; i < kElements.size(); ++i)
        if (static_cast<std::size_t>(kElements[i].type) != i) return false;
    return true;
}
static_assert(are_in_order());

}  // namespace

std::size_t element_bytes(ElementType type) noexcept {
    return kElements[static_cast<std::size_t>(type)].bytes;
}

std::string_view to_string(ElementType type) noexcept {
    return kElements[static_cast<std::size_t>(type)].name;
}

std::optional<ElementType> element_type_of(std::string_view name) noexcept {
    const auto found = std::ranges::find(kElements, name, &ElementInfo::name);
    if (found == kElements.end()) return std::nullopt;
    return found->type;
}

std::string Tensor::description() const {
    std::string text(to_string(type));
    text += " [";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return text + "]";
}

}  // namespace casc::gpu
