#pragma once
// casc/storage/block.hpp: reference-counted, block-aligned memory that is recycled and never given
// back while the store lives (the first touch of a page costs more than everything else done to it;
// docs/performance.md).
//
// A Block holds one journal entry from the moment its first batch is copied in until the journal
// has written it, a checkpoint has put it into RocksDB, the tail cache has let it go and the last
// consumer's send has completed.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace casc::storage {

// O_DIRECT wants memory, file positions and lengths aligned to the device's logical block; 4 KiB
// suits all of them.
inline constexpr std::size_t kBlockAlignment = 4096;

class BlockPool;

// Thread: any (the count is atomic); the bytes belong to whoever is filling the block until it is
// submitted, and are immutable afterwards.
struct Block {
    std::atomic<std::uint32_t> references{0};
    BlockPool* pool = nullptr;
    std::byte* data = nullptr;
    std::size_t capacity = 0;
};

class BlockRef {
public:
    BlockRef() = default;
    explicit BlockRef(Block* block) noexcept : block_(block) { acquire(); }
    BlockRef(const BlockRef& other) noexcept : block_(other.block_) { acquire(); }
    BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    BlockRef& operator=(BlockRef other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~BlockRef() { release(); }

    explicit operator bool() const noexcept { return block_ != nullptr; }
    [[nodiscard]] std::span<std::byte> bytes() const noexcept {
        return {block_->data, block_->capacity};
    }
    [[nodiscard]] const Block* get() const noexcept { return block_; }

private:
    void acquire() noexcept {
        if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
    }
    void release() noexcept;

    Block* block_ = nullptr;
};

// Bytes inside a Block, kept alive by it: one batch, as stored and as sent.
struct BatchRef {
    BlockRef block;
    std::span<const std::byte> bytes;
};

// Thread: any. Lifetime: must outlive every Block taken from it.
class BlockPool {
public:
    // Blocks of `block_bytes` are kept for reuse, up to `kept_bytes_max`; larger requests get a
    // block of their own.
    BlockPool(std::size_t block_bytes, std::size_t kept_bytes_max);
    ~BlockPool();
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    [[nodiscard]] BlockRef take(std::size_t bytes_min);
    [[nodiscard]] std::size_t bytes_in_use() const noexcept {
        return bytes_in_use_.load(std::memory_order_relaxed);
    }

private:
    friend class BlockRef;
    void give_back(Block* block) noexcept;

    const std::size_t block_bytes_;
    const std::size_t kept_bytes_max_;
    std::atomic<std::size_t> bytes_in_use_{0};
    std::mutex mutex_;  // taken once per block, that is once per journal entry; never held over a
                        // system call
    std::vector<Block*> free_;
};

inline void BlockRef::release() noexcept {
    // acq_rel: the last owner must see every other owner's reads of the bytes finished before the
    // block is reused.
    if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
        block_->pool->give_back(block_);
    block_ = nullptr;
}

}  // namespace casc::storage
