#pragma once
// Keys and small fixed values of state rows: big-endian, so that RocksDB's byte order is numeric
// order. Format: docs/storage_format.md, "State rows".

#include <casc/types/assert.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace casc::broker {

// On the stack: two are written for each batch of an idempotent producer.
class RowWriter {
public:
    static constexpr std::size_t kBytesMax = 40;

    template <class Int>
    RowWriter& put(Int value) {
        CASC_ASSERT(bytes_ + sizeof(Int) <= kBytesMax, bytes_);
        const auto bits = static_cast<std::make_unsigned_t<Int>>(value);
        for (int shift = 8 * static_cast<int>(sizeof(Int)) - 8; shift >= 0; shift -= 8)
            row_[bytes_++] = static_cast<char>(bits >> shift & 0xFF);
        return *this;
    }
    // Valid as long as the writer: to the end of the full expression when that is a temporary.
    [[nodiscard]] std::string_view view() const { return {row_.data(), bytes_}; }

private:
    std::array<char, kBytesMax> row_;
    std::size_t bytes_ = 0;
};

// A row that was encoded as bytes, as the store takes it.
[[nodiscard]] inline std::string_view row_text(std::span<const std::byte> row) {
    return {reinterpret_cast<const char*>(row.data()), row.size()};
}

class RowReader {
public:
    explicit RowReader(std::string_view row) : rest_(row) {}

    // 0 once the row is used up; ok() then turns false.
    template <class Int>
    Int get() {
        if (rest_.size() < sizeof(Int)) {
            ok_ = false;
            return Int{};
        }
        std::make_unsigned_t<Int> bits{};
        for (std::size_t i = 0; i < sizeof(Int); ++i)
            bits = static_cast<std::make_unsigned_t<Int>>(static_cast<std::uint64_t>(bits) << 8 |
                                                          static_cast<std::uint8_t>(rest_[i]));
        rest_.remove_prefix(sizeof(Int));
        return static_cast<Int>(bits);
    }
    [[nodiscard]] bool ok() const { return ok_; }

private:
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace casc::broker
