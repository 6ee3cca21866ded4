#pragma once
// The bytes of a connection that are not yet taken apart. Starts small, because most connections
// are idle, and grows to the frames that actually come.

#include <casc/types/units.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace casc::broker {

// Thread: io. The front is always 8-byte aligned, because every frame is a multiple of 8 bytes.
class ReceiveBuffer {
public:
    static constexpr std::size_t kSmallBytes = 8_KiB;
    static constexpr std::size_t kBulkBytes = 1_MiB;

    [[nodiscard]] std::span<const std::byte> received() const noexcept {
        return {data_.get() + begin_, end_ - begin_};
    }

    // Room for at least one more byte, and, once the frame in front is known to need `frame_bytes`,
    // for all of it.
    [[nodiscard]] std::span<std::byte> space(std::size_t frame_bytes) {
        if (begin_ == end_) begin_ = end_ = 0;
        const std::size_t wanted = std::max(frame_bytes, (end_ - begin_) + 1);
        if (begin_ + wanted > capacity_ || (begin_ != 0 && end_ == capacity_)) make_room(wanted);
        return {data_.get() + end_, capacity_ - end_};
    }
    void filled(std::size_t bytes) noexcept { end_ += bytes; }
    void consume(std::size_t bytes) noexcept { begin_ += bytes; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    void make_room(std::size_t wanted) {
        const std::size_t held = end_ - begin_;
        if (wanted > capacity_) {
            // A frame that does not fit the small buffer announces a bulk sender: room for several
            // such frames at once saves system calls.
            const std::size_t grown =
                wanted <= kSmallBytes ? kSmallBytes : std::max(kBulkBytes, 2 * wanted);
            auto bigger = std::make_unique_for_overwrite<std::byte[]>(grown);
            if (held != 0) std::memcpy(bigger.get(), data_.get() + begin_, held);
            data_ = std::move(bigger);
            capacity_ = grown;
        } else if (held != 0) {
            std::memmove(data_.get(), data_.get() + begin_, held);
        }
        begin_ = 0;
        end_ = held;
    }

    std::unique_ptr<std::byte[]> data_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace casc::broker
