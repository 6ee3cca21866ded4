#pragma once
// cpu/float_memory.hpp: the numbers that a CPU backend keeps and works with, in one piece that is
// asked for once. That the system grants it does not say that it has it: Linux promises more than
// there is, and gives pages when they are first written. So CpuBackend::make() looks at what is
// available before, and a null here is only about what no promise covers.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

namespace casc::gpu::cpu {

// Room for a number of floats, rounded up to whole cache lines.
[[nodiscard]] constexpr std::size_t in_lines(std::size_t floats) noexcept {
    return (floats + 15) / 16 * 16;
}

// Thread: one at a time. What was not written yet takes no memory from the system.
class FloatMemory {
public:
    // Null inside, when the system has not so much.
    explicit FloatMemory(std::size_t floats)
        : begin_(static_cast<float*>(std::aligned_alloc(64, in_lines(floats) * sizeof(float)))) {
        left_ = {begin_.get(), begin_ == nullptr ? 0 : in_lines(floats)};
    }
    [[nodiscard]] bool is_there() const noexcept { return begin_ != nullptr; }
    // The next part of it, which begins a cache line. There must be so much left.
    [[nodiscard]] std::span<float> take(std::size_t floats) noexcept {
        const std::span<float> taken = left_.first(floats);
        left_ = left_.subspan(in_lines(floats));
        return taken;
    }
    [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }

private:
    struct Free {
        void operator()(float* memory) const noexcept { std::free(memory); }
    };
    std::unique_ptr<float, Free> begin_;
    std::span<float> left_;
};

}  // namespace casc::gpu::cpu
