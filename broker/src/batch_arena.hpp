#pragma once
// Memory for batches that lie in no journal entry: one behind the other in recycled blocks, so that
// neighbours leave in one piece.

#include <casc/storage/block.hpp>
#include <casc/types/units.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace casc::broker {

// Blocks in three sizes, so that a log with a few small events does not hold a large one.
//
// Thread: owning shard. Lifetime: outlives everything that was put into its blocks.
class ArenaPools {
public:
    static constexpr std::size_t kSmallBytes = 4_KiB;
    static constexpr std::size_t kMediumBytes = 64_KiB;
    static constexpr std::size_t kLargeBytes = 1_MiB;

    // The smallest block that has room for `bytes`.
    [[nodiscard]] storage::BlockRef take(std::size_t bytes) {
        if (bytes <= kSmallBytes) return small_.take(bytes);
        if (bytes <= kMediumBytes) return medium_.take(bytes);
        return large_.take(bytes);
    }
    // Of blocks that somebody still refers to: logs, taps, and what is queued to connections.
    [[nodiscard]] std::size_t bytes_in_use() const noexcept {
        return small_.bytes_in_use() + medium_.bytes_in_use() + large_.bytes_in_use();
    }

private:
    storage::BlockPool small_{kSmallBytes, 4_MiB};
    storage::BlockPool medium_{kMediumBytes, 8_MiB};
    storage::BlockPool large_{kLargeBytes, 64_MiB};
};

// Fills one block after the other. `held` says how much is kept in them already: a block is at most
// a quarter of that, unless a batch needs more, so that what is half filled is little of what all
// logs together may have. A block is free again when the last batch in it is let go and it is no
// longer being filled.
//
// Thread: owning shard.
class BatchArena {
public:
    explicit BatchArena(ArenaPools& pools) : pools_(&pools) {}

    // Room for a batch of `bytes`, to be filled in at once.
    struct Room {
        storage::BlockRef block;
        std::span<std::byte> bytes;
        bool new_block;
    };
    [[nodiscard]] Room take(std::size_t bytes, std::uint64_t held);
    [[nodiscard]] storage::BatchRef add(std::span<const std::byte> batch, std::uint64_t held);
    // The next batch begins a block.
    void close() noexcept { block_ = {}; }

private:
    ArenaPools* pools_;
    storage::BlockRef block_;
    std::size_t used_ = 0;
};

}  // namespace casc::broker
