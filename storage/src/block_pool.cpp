#include <casc/storage/block.hpp>
#include <casc/types/assert.hpp>
#include <casc/types/units.hpp>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace casc::storage {

namespace {

// Every page is written once here and never again for the first time while an entry is waiting: on
// hosts that take free pages back a first touch costs about 10 us per 4 KiB.
Block* make_block(BlockPool* pool, std::size_t capacity) {
    auto* data = static_cast<std::byte*>(std::aligned_alloc(kBlockAlignment, capacity));
    if (data == nullptr) throw std::bad_alloc();
    for (std::size_t page = 0; page < capacity; page += kBlockAlignment)
        data[page] = std::byte{0};
    auto* block = new Block;
    block->pool = pool;
    block->data = data;
    block->capacity = capacity;
    return block;
}

void destroy_block(Block* block) noexcept {
    std::free(block->data);
    delete block;
}

}  // namespace

BlockPool::BlockPool(std::size_t block_bytes, std::size_t kept_bytes_max)
    : block_bytes_(align_up(block_bytes, kBlockAlignment)), kept_bytes_max_(kept_bytes_max) {
    CASC_ASSERT(block_bytes > 0);
}

BlockPool::~BlockPool() {
    CASC_ASSERT(bytes_in_use() == 0, bytes_in_use());
    for (Block* list : {free_, returned_.load(std::memory_order_acquire)})
        while (list != nullptr)
            destroy_block(std::exchange(list, list->next));
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
    if (block == nullptr)
        block = make_block(this, align_up(std::max(bytes_min, block_bytes_), kBlockAlignment));
    bytes_in_use_.fetch_add(block->capacity, std::memory_order_relaxed);
    return BlockRef(block);
}

void BlockPool::give_back(Block* block) noexcept {
    bytes_in_use_.fetch_sub(block->capacity, std::memory_order_relaxed);
    if (block->capacity != block_bytes_ || !keep(block, kept_bytes_max_ / block_bytes_))
        destroy_block(block);
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

void BlockPool::restock(std::size_t bytes) {
    if (!taken_.exchange(false, std::memory_order_relaxed)) return;
    const std::size_t wanted = std::min(bytes, kept_bytes_max_) / block_bytes_;
    while (blocks_ready() < wanted) {
        Block* const block = make_block(this, block_bytes_);
        if (!keep(block, wanted)) return destroy_block(block);
    }
}

}  // namespace casc::storage
