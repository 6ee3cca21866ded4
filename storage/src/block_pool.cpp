#include <casc/storage/block.hpp>
#include <casc/types/assert.hpp>
#include <casc/types/units.hpp>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace casc::storage {

namespace {

// Every page is written once here, on the thread that asked for room, and never again for the first
// time while an entry is waiting: on hosts that take free pages back a first touch costs about 10
// us per 4 KiB.
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
    // Room for every block that may be kept, so that give_back() cannot fail for want of memory.
    free_.reserve(kept_bytes_max_ / block_bytes_);
}

BlockPool::~BlockPool() {
    CASC_ASSERT(bytes_in_use() == 0, bytes_in_use());
    for (Block* block : free_)
        destroy_block(block);
}

BlockRef BlockPool::take(std::size_t bytes_min) {
    Block* block = nullptr;
    if (bytes_min <= block_bytes_) {
        const std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            block = free_.back();  // the warmest in the processor's cache
            free_.pop_back();
        }
    }
    if (block == nullptr)
        block = make_block(this, align_up(std::max(bytes_min, block_bytes_), kBlockAlignment));
    bytes_in_use_.fetch_add(block->capacity, std::memory_order_relaxed);
    return BlockRef(block);
}

void BlockPool::give_back(Block* block) noexcept {
    bytes_in_use_.fetch_sub(block->capacity, std::memory_order_relaxed);
    if (block->capacity == block_bytes_) {
        const std::lock_guard lock(mutex_);
        if ((free_.size() + 1) * block_bytes_ <= kept_bytes_max_) {
            free_.push_back(block);
            return;
        }
    }
    destroy_block(block);
}

}  // namespace casc::storage
