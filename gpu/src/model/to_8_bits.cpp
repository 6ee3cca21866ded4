#include "model/to_8_bits.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace casc::gpu {
namespace {

constexpr std::uint16_t kWithoutSign = 0x7FFF;
constexpr std::uint16_t kInfinite = 0x7F80;

float bf16_to_float(std::uint32_t bits) {
    return std::bit_cast<float>(bits << 16);
}

}  // namespace

void Bf16Range::include(std::span<const std::byte> numbers) noexcept {
    std::uint16_t largest = largest_;
    for (std::size_t at = 0; at + sizeof largest <= numbers.size(); at += sizeof largest) {
        std::uint16_t bits;
        std::memcpy(&bits, &numbers[at], sizeof bits);
        bits &= kWithoutSign;
        largest = std::max(largest, bits < kInfinite ? bits : std::uint16_t{0});
    }
    largest_ = largest;
}

float Bf16Range::scale() const noexcept {
    return largest_ == 0 ? 1 : bf16_to_float(largest_) / kE4m3Largest;
}

To8Bits::To8Bits(float scale) : table_(std::size_t{1} << 16) {
    for (std::uint32_t bits = 0; bits < table_.size(); ++bits)
        table_[bits] =
            (bits & kWithoutSign) < kInfinite ? e4m3_of(bf16_to_float(bits) / scale) : kE4m3None;
}

void To8Bits::convert(const std::byte* from, std::span<std::byte> to) const noexcept {
    for (std::size_t i = 0; i < to.size(); ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
        to[i] = static_cast<std::byte>(table_[bits].bits);
    }
}

}  // namespace casc::gpu
