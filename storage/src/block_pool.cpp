#include "huge_memory.hpp"

#include <casc/storage/block.hpp>
#include <casc/types/assert.hpp>
#include <casc/types/units.hpp>

#include <algorithm>
#include <utility>

namespace casc::storage {

namespace {

// Smaller blocks are no more than a few pieces for a device anyway.
constexpr std::size_t kHugeBlockBytes = 512_KiB;

}  // namespace

BlockPool::BlockPool(std::size_t block_bytes, std::size_t kept_bytes_max)
    : block_bytes_(align_up(block_bytes, kBlockAlignment)), kept_bytes_max_(kept_bytes_max) {
    CASC_ASSERT(block_bytes > 0);
}

BlockPool::~BlockPool() {
    CASC_ASSERT(bytes_in_use() == 0, bytes_in_use());
    for (Block* list : {free_, returned_.load(std::memory_order_acquire)})
        while (list != nullptr)
            delete std::exchange(list, list->next);
}

BlockRef BlockPool::take(std::size_t bytes_min) {
    Block* block = nullptr;
    if (bytes_min <= block_bytes_) {
        if (!taken_.load(std::memory_order_relaxed)) taken_.store(true, std::memory_order_relaxed);
        // acquire: pairs with keep(), after which the bytes are ours.
        if (free_ == nullptr) free_ = returned_.exchange(nullptr, std::memory_order_acquire);
        if (free_ != nullptr) {
            block = std::exchange(free_, free_->next);
            ready_.fetch_sub(1, std::memory_order_relaxed);
        }
    }
    if (block == nullptr) block = make_block(std::max(bytes_min, block_bytes_));
    bytes_in_use_.fetch_add(block->capacity, std::memory_order_relaxed);
    return BlockRef(block);
}

// The blocks of a huge page are made together.
Block* BlockPool::make_block(std::size_t bytes, Breather* breather) {
    const std::size_t capacity = align_up(bytes, kBlockAlignment);
    // Not for one that would leave much of its last page to nobody.
    const bool is_huge = capacity >= kHugeBlockBytes &&
                         (kHugePageBytes % capacity == 0 ||
                          align_up(capacity, kHugePageBytes) - capacity <= capacity / 8);
    const auto memory =
        is_huge ? make_huge_memory(capacity, breather) : make_page_memory(capacity, breather);
    const auto block_at = [&](std::size_t offset) {
        auto* const block = new Block;
        block->pool = this;
        block->memory = memory;
        block->data = memory.get() + offset;
        block->capacity = capacity;
        return block;
    };
    for (std::size_t at = capacity;
         is_huge && capacity == block_bytes_ && at + capacity <= kHugePageBytes; at += capacity) {
        if (Block* const other = block_at(at); !keep(other, kept_bytes_max_ / block_bytes_))
            delete other;
    }
    return block_at(0);
}

void BlockPool::give_back(Block* block) noexcept {
    bytes_in_use_.fetch_sub(block->capacity, std::memory_order_relaxed);
    if (block->capacity != block_bytes_ || !keep(block, kept_bytes_max_ / block_bytes_))
        delete block;
}

// False when `ready_max` blocks lie ready already.
bool BlockPool::keep(Block* block, std::size_t ready_max) noexcept {
    if (ready_.fetch_add(1, std::memory_order_relaxed) >= ready_max) {
        ready_.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }
    block->next = returned_.load(std::memory_order_relaxed);
    // release: pairs with take(), so that what was done to the bytes comes before their next use.
    while (!returned_.compare_exchange_weak(block->next, block, std::memory_order_release,
                                            std::memory_order_relaxed)) {
    }
    return true;
}

void BlockPool::restock(std::size_t bytes, Breather& breather) {
    if (!taken_.exchange(false, std::memory_order_relaxed)) return;
    const std::size_t wanted = std::min(bytes, kept_bytes_max_) / block_bytes_;
    while (blocks_ready() < wanted) {
        Block* const block = make_block(block_bytes_, &breather);
        // One more than wanted, when the last two have come in one huge page.
        if (!keep(block, wanted + 1)) {
            delete block;
            return;
        }
    }
}

}  // namespace casc::storage
