#pragma once
// What a connection still has to send: small frames are copied into recycled slabs, batches are
// referenced where they lie (journal blocks), and one gathering write takes up to kGatherMax
// pieces. A queue with nothing in it holds no memory: spare slabs are the thread's, because of ten
// thousand connections few have something to send at a time.

#include <casc/storage/block.hpp>
#include <casc/types/units.hpp>

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace casc::broker {

// Thread: io.
class SendQueue {
public:
    static constexpr std::size_t kGatherMax = 64;
    static constexpr std::size_t kSlabBytes = 16_KiB;

    SendQueue() = default;
    ~SendQueue() { clear(); }
    SendQueue(const SendQueue&) = delete;
    SendQueue& operator=(const SendQueue&) = delete;

    // Room for `bytes` of a frame, to be filled in at once.
    [[nodiscard]] std::span<std::byte> reserve(std::size_t bytes);
    // Bytes that stay where they are; `batch` keeps them alive until they are sent.
    void push(const storage::BatchRef& batch);

    [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    // What it holds of its own; batches belong to the store.
    [[nodiscard]] std::size_t slabs() const noexcept { return slabs_.size(); }

    // The front of the queue for one gathering write.
    void gather(std::vector<boost::asio::const_buffer>& buffers) const;
    void sent(std::size_t bytes);
    void clear();

private:
    struct Slab {
        std::unique_ptr<std::byte[]> data;
        std::size_t capacity = 0;
        std::size_t used = 0;
    };
    struct Piece {
        const std::byte* data;
        std::size_t bytes;
        std::uint64_t slab;  // ordinal of the slab the bytes lie in, kNoSlab for a batch
        storage::BlockRef block;
    };
    static constexpr std::uint64_t kNoSlab = ~std::uint64_t{0};

    [[nodiscard]] static std::vector<std::unique_ptr<std::byte[]>>& spare_slabs();
    [[nodiscard]] static Slab take_slab(std::size_t bytes);
    static void give_back(Slab slab);
    void drop_slabs_before(std::uint64_t ordinal);

    std::deque<Piece> pieces_;
    std::deque<Slab> slabs_;
    std::uint64_t first_slab_ = 0;  // ordinal of slabs_.front()
    std::size_t bytes_ = 0;
};

}  // namespace casc::broker
