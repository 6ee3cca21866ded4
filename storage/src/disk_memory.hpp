#pragma once
// storage/src/disk_memory.hpp: zeroed memory that O_DIRECT accepts, for one owner. Thread: one at a
// time.

#include <casc/storage/block.hpp>
#include <casc/types/units.hpp>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace casc::storage::detail {

class AlignedMemory {
public:
    AlignedMemory() = default;
    explicit AlignedMemory(std::size_t bytes) : bytes_(align_up(bytes, kBlockAlignment)) {
        data_.reset(static_cast<std::byte*>(std::aligned_alloc(kBlockAlignment, bytes_)));
        if (data_ == nullptr) throw std::bad_alloc();
        std::memset(data_.get(), 0, bytes_);
    }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data_.get(), bytes_}; }

private:
    struct Free {
        void operator()(std::byte* data) const noexcept { std::free(data); }
    };
    std::size_t bytes_ = 0;
    std::unique_ptr<std::byte, Free> data_;
};

}  // namespace casc::storage::detail
