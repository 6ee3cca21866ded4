#pragma once
// client/src/receive_buffer.hpp: the memory that the socket is read into. Frames are handed on
// where they lie, so a buffer lives until the last reader of one of its frames lets go; then it is
// used again.

#include <casc/types/units.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace casc::client {

class ReceiveBufferPool;

// Large enough that copying the begun frame at its end is rare, small enough to stay in the
// last-level cache when the pool hands the same few out again.
inline constexpr std::size_t kReceiveBufferBytes = 2_MiB;

// Thread: any may hold and drop one; the bytes are written by the reading thread before it hands
// frames on.
class ReceiveBuffer {
public:
    ReceiveBuffer(std::size_t bytes, std::shared_ptr<ReceiveBufferPool> pool);
    ReceiveBuffer(const ReceiveBuffer&) = delete;
    ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;

    [[nodiscard]] std::span<std::byte> bytes() noexcept { return {data_.get(), bytes_}; }

private:
    friend class BufferRef;
    friend class ReceiveBufferPool;
    struct Free {
        void operator()(std::byte* data) const noexcept;
    };

    std::unique_ptr<std::byte, Free> data_;
    std::size_t bytes_;
    std::shared_ptr<ReceiveBufferPool> pool_;  // null while it lies in the pool
    std::atomic<std::uint32_t> holders_{0};
};

// Holds a buffer. Counted by hand because the last holder gives the buffer back instead of freeing
// it.
class BufferRef {
public:
    BufferRef() = default;
    explicit BufferRef(ReceiveBuffer* buffer) noexcept : buffer_(buffer) { hold(); }
    BufferRef(const BufferRef& other) noexcept : buffer_(other.buffer_) { hold(); }
    BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
    BufferRef& operator=(BufferRef other) noexcept {
        std::swap(buffer_, other.buffer_);
        return *this;
    }
    ~BufferRef() { drop(); }

    [[nodiscard]] ReceiveBuffer* operator->() const noexcept { return buffer_; }
    explicit operator bool() const noexcept { return buffer_ != nullptr; }

private:
    void hold() noexcept {
        if (buffer_ != nullptr) buffer_->holders_.fetch_add(1, std::memory_order_relaxed);
    }
    void drop() noexcept;

    ReceiveBuffer* buffer_ = nullptr;
};

// Thread: any. The mutex is taken once per buffer (2 MiB), never while anything else is held.
class ReceiveBufferPool : public std::enable_shared_from_this<ReceiveBufferPool> {
public:
    // A buffer of at least `bytes`; its contents are undefined.
    [[nodiscard]] BufferRef take(std::size_t bytes = kReceiveBufferBytes);

private:
    friend class BufferRef;
    // More than this many idle ones are freed: 16 MiB.
    static constexpr std::size_t kIdleMax = 8;

    void give_back(std::unique_ptr<ReceiveBuffer> buffer) noexcept;

    std::mutex mutex_;
    std::vector<std::unique_ptr<ReceiveBuffer>>
        idle_;  // last in, first out: the warmest is used first
};

}  // namespace casc::client
