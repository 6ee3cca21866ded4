#include "receive_buffer.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace casc::client {
namespace {
// A page: whole pages are read into, and batches inside stay 8-aligned.
constexpr std::size_t kAlignment = 4096;
}  // namespace

ReceiveBuffer::ReceiveBuffer(std::size_t bytes, std::shared_ptr<ReceiveBufferPool> pool)
    : data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kAlignment)))),
      bytes_(bytes),
      pool_(std::move(pool)) {}

void ReceiveBuffer::Free::operator()(std::byte* data) const noexcept {
    ::operator delete(data, std::align_val_t(kAlignment));
}

void BufferRef::drop() noexcept {
    if (buffer_ == nullptr) return;
    // acq_rel: everybody's reads of the bytes come before the next use of the buffer.
    if (buffer_->holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    std::unique_ptr<ReceiveBuffer> mine(buffer_);
    const auto pool = std::move(mine->pool_);
    pool->give_back(std::move(mine));
}

BufferRef ReceiveBufferPool::take(std::size_t bytes) {
    std::unique_ptr<ReceiveBuffer> buffer;
    if (bytes <= kReceiveBufferBytes) {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            buffer = std::move(idle_.back());
            idle_.pop_back();
            buffer->pool_ = shared_from_this();
        }
    }
    if (!buffer)
        buffer = std::make_unique<ReceiveBuffer>(std::max(bytes, kReceiveBufferBytes),
                                                 shared_from_this());
    return BufferRef(buffer.release());
}

void ReceiveBufferPool::give_back(std::unique_ptr<ReceiveBuffer> buffer) noexcept {
    // An oversized one was for a single large frame.
    if (buffer->bytes_ != kReceiveBufferBytes) return;
    const std::lock_guard lock(mutex_);
    if (idle_.size() == kIdleMax) return;
    idle_.push_back(std::move(buffer));
}

}  // namespace casc::client
