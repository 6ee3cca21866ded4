#include "batch_arena.hpp"

#include <algorithm>
#include <cstring>

namespace casc::broker {

namespace {

constexpr std::uint64_t kParts = 4;

std::size_t usual_bytes(std::uint64_t held) {
    if (held >= kParts * ArenaPools::kLargeBytes) return ArenaPools::kLargeBytes;
    if (held >= kParts * ArenaPools::kMediumBytes) return ArenaPools::kMediumBytes;
    return ArenaPools::kSmallBytes;
}

}  // namespace

BatchArena::Room BatchArena::take(std::size_t bytes, std::uint64_t held) {
    const bool new_block = !block_ || block_.bytes().size() - used_ < bytes;
    if (new_block) {
        block_ = pools_->take(std::max(bytes, usual_bytes(held)));
        used_ = 0;
    }
    const auto room = block_.bytes().subspan(used_, bytes);
    used_ += bytes;
    return {block_, room, new_block};
}

storage::BatchRef BatchArena::add(std::span<const std::byte> batch, std::uint64_t held) {
    Room room = take(batch.size(), held);
    std::memcpy(room.bytes.data(), batch.data(), batch.size());
    return {std::move(room.block), room.bytes};
}

}  // namespace casc::broker
