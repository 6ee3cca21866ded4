#include "send_queue.hpp"

#include <algorithm>

namespace casc::broker {

namespace {

constexpr std::size_t kSpareSlabsMax = 256;  // 4 MiB for all connections of a thread

}  // namespace

SendQueue::Slab SendQueue::take_slab(std::size_t bytes) {
    auto& spare = spare_slabs();
    if (bytes <= kSlabBytes && !spare.empty()) {
        Slab slab{std::move(spare.back()), kSlabBytes, 0};
        spare.pop_back();
        return slab;
    }
    const std::size_t capacity = std::max(kSlabBytes, bytes);
    return {std::make_unique_for_overwrite<std::byte[]>(capacity), capacity, 0};
}

void SendQueue::give_back(Slab slab) {
    auto& spare = spare_slabs();
    if (slab.capacity == kSlabBytes && spare.size() < kSpareSlabsMax)
        spare.push_back(std::move(slab.data));
}

std::vector<std::unique_ptr<std::byte[]>>& SendQueue::spare_slabs() {
    thread_local std::vector<std::unique_ptr<std::byte[]>> spare;
    return spare;
}

std::span<std::byte> SendQueue::reserve(std::size_t bytes) {
    if (slabs_.empty() || slabs_.back().capacity - slabs_.back().used < bytes)
        slabs_.push_back(take_slab(bytes));
    Slab& slab = slabs_.back();
    std::byte* const at = slab.data.get() + slab.used;
    slab.used += bytes;
    bytes_ += bytes;
    const std::uint64_t ordinal = first_slab_ + slabs_.size() - 1;
    // Frames that lie side by side go out as one piece.
    if (!pieces_.empty() && pieces_.back().slab == ordinal &&
        pieces_.back().data + pieces_.back().bytes == at) {
        pieces_.back().bytes += bytes;
    } else {
        pieces_.push_back({at, bytes, ordinal, {}});
    }
    return {at, bytes};
}

void SendQueue::push(const storage::BatchRef& batch) {
    bytes_ += batch.bytes.size();
    // Neighbours of a volatile log go out as one piece. (Those of one journal entry are not
    // adjacent: record headers lie between them.)
    if (!pieces_.empty() && pieces_.back().slab == kNoSlab &&
        pieces_.back().block.get() == batch.block.get() &&
        pieces_.back().data + pieces_.back().bytes == batch.bytes.data()) {
        pieces_.back().bytes += batch.bytes.size();
        return;
    }
    pieces_.push_back({batch.bytes.data(), batch.bytes.size(), kNoSlab, batch.block});
}

void SendQueue::gather(std::vector<boost::asio::const_buffer>& buffers) const {
    buffers.clear();
    for (const Piece& piece : pieces_) {
        if (buffers.size() == kGatherMax) break;
        buffers.emplace_back(piece.data, piece.bytes);
    }
}

void SendQueue::sent(std::size_t bytes) {
    bytes_ -= bytes;
    while (bytes > 0) {
        Piece& piece = pieces_.front();
        const std::size_t now = std::min(bytes, piece.bytes);
        piece.data += now;
        piece.bytes -= now;
        bytes -= now;
        if (piece.bytes != 0) return;
        if (piece.slab != kNoSlab) drop_slabs_before(piece.slab);
        pieces_.pop_front();
    }
    if (pieces_.empty()) drop_slabs_before(first_slab_ + slabs_.size());
}

void SendQueue::drop_slabs_before(std::uint64_t ordinal) {
    while (first_slab_ < ordinal) {
        give_back(std::move(slabs_.front()));
        slabs_.pop_front();
        ++first_slab_;
    }
}

void SendQueue::clear() {
    pieces_.clear();
    drop_slabs_before(first_slab_ + slabs_.size());
    bytes_ = 0;
}

}  // namespace casc::broker
