#include "batch_arena.hpp"

#include <algorithm>
#include <cstring>

namespace casc::broker {

BatchArena::Room BatchArena::take(std::size_t bytes) {
    const bool new_block = !block_ || block_.bytes().size() - used_ < bytes;
    if (new_block) {
        block_ = pools_->take(std::max(bytes, next_bytes_));
        used_ = 0;
        next_bytes_ = next_bytes_ < ArenaPools::kMediumBytes ? ArenaPools::kMediumBytes
                                                             : ArenaPools::kLargeBytes;
    }
    const auto room = block_.bytes().subspan(used_, bytes);
    used_ += bytes;
    return {block_, room, new_block};
}

storage::BatchRef BatchArena::add(std::span<const std::byte> batch) {
    Room room = take(batch.size());
    std::memcpy(room.bytes.data(), batch.data(), batch.size());
    return {std::move(room.block), room.bytes};
}

}  // namespace casc::broker
