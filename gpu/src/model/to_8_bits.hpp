#pragma once
// to_8_bits.hpp: weights of bf16 as numbers of 8 bits, with one scale for all of a matrix.

#include "model/eight_bits.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace casc::gpu {

// The largest of some numbers of bf16; what is none or infinite does not count.
class Bf16Range {
public:
    void include(std::span<const std::byte> numbers) noexcept;
    // By which they are divided: the largest becomes the largest of 8 bits.
    [[nodiscard]] float scale() const noexcept;

private:
    std::uint16_t largest_ = 0;  // without its sign; larger numbers have larger bits
};

// By looking up what each of the 65,536 numbers of 16 bits becomes. What is infinite becomes none,
// as there is no such number of 8 bits.
class To8Bits {
public:
    explicit To8Bits(float scale);
    // As many numbers as `to` has places. `from` need not be aligned.
    void convert(const std::byte* from, std::span<std::byte> to) const noexcept;

private:
    std::vector<E4m3> table_;
};

}  // namespace casc::gpu
