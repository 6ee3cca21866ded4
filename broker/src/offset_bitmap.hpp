#pragma once
// A set of offsets near one another: one bit each, from a floor that rises.

#include <casc/types/offset_words.hpp>

#include <bit>
#include <cstdint>
#include <deque>

namespace casc::broker {

// Thread: owning shard.
class OffsetBitmap {
public:
    explicit OffsetBitmap(std::uint64_t floor = 0) : base_(word_base(floor)) {}

    [[nodiscard]] std::uint64_t word(std::uint64_t base) const noexcept {
        const std::uint64_t at = (base - base_) / kWordOffsets;
        return base < base_ ? ~std::uint64_t{0} : at < words_.size() ? words_[at] : 0;
    }
    [[nodiscard]] bool contains(std::uint64_t offset) const noexcept {
        return (word(word_base(offset)) & word_bit(offset)) != 0;
    }
    // Adds to the word at `base`, which is not below the floor's.
    void add(std::uint64_t base, std::uint64_t bits) {
        const std::uint64_t at = (base - base_) / kWordOffsets;
        if (at >= words_.size()) words_.resize(at + 1);
        words_[at] |= bits;
    }
    // The first offset at or behind `floor` that is missing. Everything below it is let go of and
    // counts as contained.
    std::uint64_t rise(std::uint64_t floor) {
        while (base_ + kWordOffsets <= floor && !words_.empty()) {
            words_.pop_front();
            base_ += kWordOffsets;
        }
        if (words_.empty()) base_ = word_base(floor);
        while (!words_.empty()) {
            const std::uint64_t below = floor > base_ ? word_mask(base_, base_, floor) : 0;
            const std::uint64_t missing = ~(words_.front() | below);
            if (missing != 0) return base_ + static_cast<unsigned>(std::countr_zero(missing));
            words_.pop_front();
            base_ += kWordOffsets;
            floor = base_;
        }
        return floor;
    }

    // From the word of the floor on; words that are not there are empty.
    [[nodiscard]] const std::deque<std::uint64_t>& words() const noexcept { return words_; }
    [[nodiscard]] std::uint64_t base() const noexcept { return base_; }

private:
    std::uint64_t base_;
    std::deque<std::uint64_t> words_;
};

}  // namespace casc::broker
