#pragma once
// casc/storage/block.hpp: reference-counted, block-aligned memory that is recycled and never given
// back while the store lives (the first touch of a page costs more than everything else done to it;
// docs/performance.md).
//
// A Block holds one journal entry from the moment its first batch is copied in until the journal
// has written it, a checkpoint has put it into RocksDB, the tail cache has let it go and the last
// consumer's send has completed.

#include <casc/types/thread.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

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
    std::shared_ptr<std::byte> memory;  // `data` is in it, perhaps with other blocks
    std::size_t capacity = 0;
    Block* next = nullptr;  // of the pool's, while it lies there
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

// Thread:   take() one at a time, the pool's user; the rest any. Nobody ever waits for a lock: the
//           user is a shard, and whoever gives back may be a thread in the background that does not
//           get the processor for a while.
// Lifetime: outlives its blocks.
class BlockPool {
public:
    // Blocks of `block_bytes` are kept for reuse, up to `kept_bytes_max`; larger requests get a
    // block of their own.
    BlockPool(std::size_t block_bytes, std::size_t kept_bytes_max);
    ~BlockPool();
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    [[nodiscard]] BlockRef take(std::size_t bytes_min);
    // Makes blocks until `bytes` of them lie ready, if any were taken since the last call: for a
    // thread that has the time, so that the one which takes them finds their pages touched. It
    // gives way by its `breather` meanwhile.
    void restock(std::size_t bytes, Breather& breather);
    [[nodiscard]] std::size_t blocks_ready() const noexcept {
        return ready_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::size_t bytes_in_use() const noexcept {
        return bytes_in_use_.load(std::memory_order_relaxed);
    }

private:
    friend class BlockRef;
    [[nodiscard]] Block* make_block(std::size_t bytes, Breather* breather = nullptr);
    void give_back(Block* block) noexcept;
    [[nodiscard]] bool keep(Block* block, std::size_t ready_max) noexcept;

    const std::size_t block_bytes_;
    const std::size_t kept_bytes_max_;
    std::atomic<std::size_t> bytes_in_use_{0};
    std::atomic<std::size_t> ready_{0};  // blocks in both lists
    std::atomic<bool> taken_{false};     // since the last restock()
    // Pushed one by one, taken all at once, so that no comparison can be fooled by a block that has
    // left and come back meanwhile.
    std::atomic<Block*> returned_{nullptr};
    Block* free_ = nullptr;  // the user's own
};

inline void BlockRef::release() noexcept {
    // acq_rel: the last owner must see every other owner's reads of the bytes finished before the
    // block is reused.
    if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
        block_->pool->give_back(block_);
    block_ = nullptr;
}

}  // namespace casc::storage
