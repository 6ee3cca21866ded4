#pragma once
// casc/ring/ring_link.hpp: one side of a connection that goes through shared memory: a ring for
// each direction, and a Unix socket on which one side wakes the other.
//
// The socket is the bell. A byte on it says "look at your rings"; its end says that the other side
// is gone. Eventfds would cost half as much (docs/adr/0004), but their descriptors are shared with
// the other process, which may make them blocking and fill them, and then whoever rings hangs. A
// send on a socket with MSG_DONTWAIT never waits, whatever the other side does; when the socket is
// full of bells it takes no more, and needs none.
//
// Format: docs/protocol.md, "Shared memory".

#include <casc/ring/byte_ring.hpp>
#include <casc/ring/shared_memory.hpp>
#include <casc/ring/sync.hpp>

#include <memory>
#include <new>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace casc::ring {

// What the memory begins with. The rings' bytes follow, to the broker first.
struct RingHeader {
    static constexpr std::uint32_t kMagic = 0x31525343;  // "CSR1"
    static constexpr std::uint32_t kLayout = 1;

    std::uint32_t magic = kMagic;
    std::uint32_t layout = kLayout;
    std::uint64_t ring_bytes = 0;  // of each
    std::byte reserved[496]{};
    ByteRingCursors<StdSync> to_broker;
    ByteRingCursors<StdSync> to_client;
};
inline constexpr std::size_t kRingHeaderBytes = 4096;
static_assert(sizeof(RingHeader) <= kRingHeaderBytes && alignof(RingHeader) <= kRingHeaderBytes);
static_assert(offsetof(RingHeader, to_broker) == 512 && offsetof(RingHeader, to_client) == 1024);
static_assert(offsetof(ByteRingCursors<StdSync>, read) == 128 &&
              offsetof(ByteRingCursors<StdSync>, reader_waits) == 256 &&
              offsetof(ByteRingCursors<StdSync>, writer_waits) == 384);
// Otherwise they would be built on locks that the other process does not have.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              std::atomic<std::uint32_t>::is_always_lock_free &&
              sizeof(std::atomic<std::uint64_t>) == 8);

inline constexpr std::size_t kRingBytesMin = 4_KiB;
inline constexpr std::size_t kRingBytesMax = 64_MiB;

// The memory of a connection. Thread: any.
[[nodiscard]] constexpr std::size_t ring_memory_bytes(std::size_t ring_bytes) noexcept {
    return kRingHeaderBytes + 2 * ring_bytes;
}

class RingLink;
using RingLinkPtr = std::unique_ptr<RingLink>;

// Thread:   one at a time.
// Lifetime: owns the memory; borrows the socket, which must outlive it.
class RingLink {
public:
    enum class Side : std::uint8_t { broker, client };

    // The broker's: fresh memory. Fails with overloaded.
    [[nodiscard]] static Result<RingLinkPtr> create(std::size_t ring_bytes, int bell) {
        CASC_TRY(SharedMemory memory, SharedMemory::create(ring_memory_bytes(ring_bytes)));
        auto* const header = new (memory.bytes().data()) RingHeader;
        header->ring_bytes = ring_bytes;
        return std::make_unique<RingLink>(std::move(memory), ring_bytes, Side::broker, bell);
    }
    // The client's: what the broker has passed. Fails with ring_corrupt.
    [[nodiscard]] static Result<RingLinkPtr> adopt(FileDescriptor file, std::size_t ring_bytes,
                                                   int bell) {
        if (!std::has_single_bit(ring_bytes) || ring_bytes < kRingBytesMin ||
            ring_bytes > kRingBytesMax)
            return Error(ErrorCode::ring_corrupt,
                         std::to_string(ring_bytes) + " is no size of a ring");
        CASC_TRY(SharedMemory memory,
                 SharedMemory::adopt(std::move(file), ring_memory_bytes(ring_bytes)));
        const auto* const header = header_of(memory);
        if (header->magic != RingHeader::kMagic || header->layout != RingHeader::kLayout ||
            header->ring_bytes != ring_bytes)
            return Error(ErrorCode::ring_corrupt, "the memory that was passed holds no rings");
        return std::make_unique<RingLink>(std::move(memory), ring_bytes, Side::client, bell);
    }

    RingLink(SharedMemory memory, std::size_t ring_bytes, Side side, int bell)
        : memory_(std::move(memory)),
          bell_(bell),
          in_(cursors(side == Side::broker), ring(ring_bytes, side == Side::broker)),
          out_(cursors(side == Side::client), ring(ring_bytes, side == Side::client)) {}
    RingLink(const RingLink&) = delete;
    RingLink& operator=(const RingLink&) = delete;

    // ---- bytes ----
    // As many as there are and `into` holds; 0: none. Fails with ring_corrupt.
    [[nodiscard]] Result<std::size_t> read(std::span<std::byte> into) {
        auto taken = in_.take(into);
        if (in_.release()) ring_bell();
        return taken;
    }
    // As much as finds room, to be seen after publish(). Fails with ring_corrupt.
    [[nodiscard]] Result<std::size_t> put(std::span<const std::byte> bytes) {
        return out_.put(bytes);
    }
    void publish() noexcept {
        if (out_.publish()) ring_bell();
    }
    [[nodiscard]] bool has_bytes() noexcept { return in_.has_bytes(); }
    [[nodiscard]] bool has_room() noexcept { return out_.has_room(); }

    // ---- sleeping on the bell ----
    // From now on the other side rings when bytes have come, or when room has (if `for_room`). Look
    // at both once more before going to sleep.
    void arm(bool for_bytes, bool for_room) noexcept {
        if (for_bytes) in_.arm();
        if (for_room) out_.arm();
    }
    void disarm() noexcept {
        in_.disarm();
        out_.disarm();
    }

    // To be passed to the client; then not needed any more.
    [[nodiscard]] SharedMemory& memory() noexcept { return memory_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return memory_.bytes().size(); }

private:
    static RingHeader* header_of(const SharedMemory& memory) noexcept {
        return std::launder(reinterpret_cast<RingHeader*>(memory.bytes().data()));
    }
    [[nodiscard]] ByteRingCursors<StdSync>& cursors(bool to_broker) noexcept {
        return to_broker ? header_of(memory_)->to_broker : header_of(memory_)->to_client;
    }
    [[nodiscard]] std::span<std::byte> ring(std::size_t bytes, bool to_broker) noexcept {
        return memory_.bytes().subspan(kRingHeaderBytes + (to_broker ? 0 : bytes), bytes);
    }
    void ring_bell() noexcept {
        const char bell = 0;
        // Full of bells, or the other side is gone: either is all that there is to say.
        [[maybe_unused]] const auto sent = ::send(bell_, &bell, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    SharedMemory memory_;
    const int bell_;
    BasicByteRingReader<StdSync> in_;
    BasicByteRingWriter<StdSync> out_;
};

}  // namespace casc::ring
