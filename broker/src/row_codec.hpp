#pragma once
// Keys and small fixed values of state rows: big-endian, so that RocksDB's byte order is numeric order.
// Format: docs/storage_format.md, "State rows".

#include <cstdint>
#include <string>
#include <string_view>

namespace casc::broker {

class RowWriter {
public:
    template <class Int>
    RowWriter& put(Int value) {
        auto bits = static_cast<std::make_unsigned_t<Int>>(value);
        for (int shift = 8 * static_cast<int>(sizeof(Int)) - 8; shift >= 0; shift -= 8)
            row_.push_back(static_cast<char>(bits >> shift & 0xFF));
        return *this;
    }
    [[nodiscard]] const std::string& str() const { return row_; }

private:
    std::string row_;
};

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
