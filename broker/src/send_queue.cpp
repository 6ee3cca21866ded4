#include "send_queue.hpp"

#include <algorithm>

namespace casc::broker {

std::span<std::byte> SendQueue::reserve(std::size_t bytes) {
    if (slabs_.empty() || slabs_.back().capacity - slabs_.back().used < bytes) {
        Slab slab;
        if (spare_.data && spare_.capacity >= bytes) {
            slab = std::exchange(spare_, Slab{});
        } else {
            slab.capacity = std::max(kSlabBytes, bytes);
            slab.data = std::make_unique_for_overwrite<std::byte[]>(slab.capacity);
        }
        slab.used = 0;
        slabs_.push_back(std::move(slab));
    }
    Slab& slab = slabs_.back();
    std::byte* const at = slab.data.get() + slab.used;
    slab.used += bytes;
    bytes_ += bytes;
    const std::uint64_t ordinal = first_slab_ + slabs_.size() - 1;
    // Frames that lie side by side go out as one piece.
    if (!pieces_.empty() && pieces_.back().slab == ordinal && pieces_.back().data + pieces_.back().bytes == at) {
        pieces_.back().bytes += bytes;
    } else {
        pieces_.push_back({at, bytes, ordinal, {}});
    }
    return {at, bytes};
}

void SendQueue::push(const storage::BatchRef& batch) {
    bytes_ += batch.bytes.size();
    // Neighbouring batches of one journal entry are not adjacent (record headers lie between them).
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
    if (pieces_.empty()) {
        drop_slabs_before(first_slab_ + slabs_.size() - (slabs_.empty() ? 0 : 1));
        if (!slabs_.empty()) slabs_.front().used = 0;
    }
}

void SendQueue::drop_slabs_before(std::uint64_t ordinal) {
    while (first_slab_ < ordinal) {
        if (slabs_.front().capacity == kSlabBytes) spare_ = std::move(slabs_.front());
        slabs_.pop_front();
        ++first_slab_;
    }
}

void SendQueue::clear() {
    pieces_.clear();
    first_slab_ += slabs_.size();
    slabs_.clear();
    bytes_ = 0;
}

}  // namespace casc::broker
