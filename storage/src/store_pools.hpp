#pragma once
// storage/src/store_pools.hpp: recycled memory in a few sizes.

#include <casc/storage/block.hpp>

#include <array>
#include <memory>

namespace casc::storage {

// What is in a block may be kept for long (an entry until its checkpoint, an answer until its last
// send), so a block is not much larger than what it was taken for.
//
// Thread: any. Lifetime: must outlive every block.
class SizedPools {
public:
    // Blocks of 4, 16, 64 and 256 KiB, of `usual_max` and of twice that, for what is just a little
    // larger; of each up to `kept_bytes_max` are kept for reuse.
    SizedPools(std::size_t usual_max, std::size_t kept_bytes_max);

    [[nodiscard]] BlockRef take(std::size_t bytes);
    // A few MiB of each size that is in use.
    void restock(Breather& breather);

private:
    std::array<std::size_t, 6> sizes_;
    std::array<std::unique_ptr<BlockPool>, 6> pools_;
};

}  // namespace casc::storage
