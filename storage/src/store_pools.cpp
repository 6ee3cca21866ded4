#include "store_pools.hpp"

#include <casc/types/units.hpp>

#include <algorithm>

namespace casc::storage {

SizedPools::SizedPools(std::size_t usual_max, std::size_t kept_bytes_max)
    : sizes_{std::min<std::size_t>(4_KiB, usual_max),
             std::min<std::size_t>(16_KiB, usual_max),
             std::min<std::size_t>(64_KiB, usual_max),
             std::min<std::size_t>(256_KiB, usual_max),
             usual_max,
             2 * usual_max} {
    for (std::size_t i = 0; i < pools_.size(); ++i)
        pools_[i] = std::make_unique<BlockPool>(sizes_[i], kept_bytes_max);
}

BlockRef SizedPools::take(std::size_t bytes) {
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        if (bytes <= sizes_[i]) return pools_[i]->take(sizes_[i]);
    }
    return pools_.back()->take(align_up(bytes, kBlockAlignment));
}

void SizedPools::restock(Breather& breather) {
    // Twice what the checkpoint thread is handed at a time, and half of a block is not used.
    constexpr std::size_t stock_bytes = 4_MiB;
    for (const auto& pool : pools_)
        pool->restock(stock_bytes, breather);
}

}  // namespace casc::storage
