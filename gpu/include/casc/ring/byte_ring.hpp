#pragma once
// casc/ring/byte_ring.hpp: a stream of bytes between two processes, through memory that both have
// mapped.
//
// The other side is not trusted. Each side keeps its own position privately and only ever publishes
// it; the other side's position is read once per look, into a local, and must neither have moved
// back nor say more than can be. What is read is copied out before anybody looks at it, so that
// nothing can change between a check and its use. Bytes that change while they are copied make a
// wrong stream, which its checksums show, and nothing worse.
//
// Why no wake-up is lost is Dekker's argument, as in waker.hpp: whoever publishes stores the
// position and then looks whether the other side waits; whoever goes to sleep says so and then
// looks at the position again; all four seq_cst.
//
// Format: docs/protocol.md, "Shared memory".

#include <casc/types/assert.hpp>
#include <casc/types/result.hpp>
#include <casc/types/units.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace casc::ring {

// What the two sides of one direction tell each other. Positions count bytes since the beginning
// and never wrap. Each on a line of its own.
template <class Sync>
struct ByteRingCursors {
    template <class T>
    using Atomic = typename Sync::template Atomic<T>;

    alignas(kCacheLineBytes) Atomic<std::uint64_t> written{0};       // by the writer
    alignas(kCacheLineBytes) Atomic<std::uint64_t> read{0};          // by the reader
    alignas(kCacheLineBytes) Atomic<std::uint32_t> reader_waits{0};  // set by it, cleared by both
    alignas(kCacheLineBytes) Atomic<std::uint32_t> writer_waits{0};  // the same
};

namespace detail {

// Who waits for the other side. Thread: the side that waits, but for claim().
template <class Flag>
class WaitFlag {
public:
    explicit WaitFlag(Flag& flag) noexcept : flag_(flag) {}
    // Before a last look and the sleep.
    void arm() noexcept { flag_.store(1, std::memory_order_seq_cst); }
    void disarm() noexcept { flag_.store(0, std::memory_order_relaxed); }
    // The other side, after it has published: whether it has to wake somebody. True once per arm().
    [[nodiscard]] bool claim() noexcept {
        if (flag_.load(std::memory_order_seq_cst) == 0) return false;
        return flag_.exchange(0, std::memory_order_seq_cst) != 0;
    }

private:
    Flag& flag_;
};

}  // namespace detail

// Thread:   one at a time.
// Lifetime: borrows cursors and bytes, which must outlive it. bytes.size() is a power of two.
template <class Sync>
class BasicByteRingWriter {
public:
    using Cursors = ByteRingCursors<Sync>;

    BasicByteRingWriter(Cursors& cursors, std::span<std::byte> bytes) noexcept
        : cursors_(cursors), bytes_(bytes) {
        CASC_ASSERT(std::has_single_bit(bytes.size()), bytes.size());
    }

    // Copies as much of the front of `bytes` as finds room, and returns how much. The reader sees
    // it after publish(). Fails with ring_corrupt; then nothing was copied.
    [[nodiscard]] Result<std::size_t> put(std::span<const std::byte> bytes) {
        if (room() < bytes.size() && !refresh()) return position_is_nonsense();
        const std::size_t count = std::min(bytes.size(), room());
        const std::size_t at = written_ & (bytes_.size() - 1);
        const std::size_t first = std::min(count, bytes_.size() - at);
        if (first != 0) std::memcpy(bytes_.data() + at, bytes.data(), first);
        if (count != first) std::memcpy(bytes_.data(), bytes.data() + first, count - first);
        written_ += count;
        return count;
    }
    // Shows the reader what was put. True: it sleeps, and the caller has to wake it.
    [[nodiscard]] bool publish() noexcept {
        if (published_ == written_) return false;
        published_ = written_;
        cursors_.written.store(written_, std::memory_order_seq_cst);
        return detail::WaitFlag(cursors_.reader_waits).claim();
    }

    // Around a sleep for room: arm(), look once more, sleep, disarm(). Nonsense counts as room, so
    // that the next put() finds it.
    void arm() noexcept { detail::WaitFlag(cursors_.writer_waits).arm(); }
    void disarm() noexcept { detail::WaitFlag(cursors_.writer_waits).disarm(); }
    [[nodiscard]] bool has_room() noexcept { return !refresh() || room() != 0; }

private:
    [[nodiscard]] std::size_t room() const noexcept {
        return bytes_.size() - static_cast<std::size_t>(written_ - read_seen_);
    }
    [[nodiscard]] bool refresh() noexcept {
        const std::uint64_t read = cursors_.read.load(std::memory_order_seq_cst);
        // Also false when it has moved back: then the difference is close to 2^64.
        if (read - read_seen_ > published_ - read_seen_) return false;
        read_seen_ = read;
        return true;
    }
    static Error position_is_nonsense() {
        return Error(ErrorCode::ring_corrupt,
                     "the reader's position has moved back or passed what was written");
    }

    Cursors& cursors_;
    const std::span<std::byte> bytes_;
    std::uint64_t written_ = 0;  // with what was put and not published
    std::uint64_t published_ = 0;
    std::uint64_t read_seen_ = 0;  // the reader's position when it was last looked at
};

// Thread and lifetime as above.
template <class Sync>
class BasicByteRingReader {
public:
    using Cursors = ByteRingCursors<Sync>;

    BasicByteRingReader(Cursors& cursors, std::span<const std::byte> bytes) noexcept
        : cursors_(cursors), bytes_(bytes) {
        CASC_ASSERT(std::has_single_bit(bytes.size()), bytes.size());
    }

    // Copies the next bytes out, as many as there are and `into` holds, and returns how many; 0:
    // there are none. Their place goes back to the writer with release(). Fails with ring_corrupt.
    [[nodiscard]] Result<std::size_t> take(std::span<std::byte> into) {
        if (ready() < into.size() && !refresh()) return position_is_nonsense();
        const std::size_t count = std::min(into.size(), ready());
        const std::size_t at = read_ & (bytes_.size() - 1);
        const std::size_t first = std::min(count, bytes_.size() - at);
        if (first != 0) std::memcpy(into.data(), bytes_.data() + at, first);
        if (count != first) std::memcpy(into.data() + first, bytes_.data(), count - first);
        read_ += count;
        return count;
    }
    // True: the writer waits for room, and the caller has to wake it.
    [[nodiscard]] bool release() noexcept {
        if (released_ == read_) return false;
        released_ = read_;
        cursors_.read.store(read_, std::memory_order_seq_cst);
        return detail::WaitFlag(cursors_.writer_waits).claim();
    }

    void arm() noexcept { detail::WaitFlag(cursors_.reader_waits).arm(); }
    void disarm() noexcept { detail::WaitFlag(cursors_.reader_waits).disarm(); }
    [[nodiscard]] bool has_bytes() noexcept { return ready() != 0 || !refresh() || ready() != 0; }

private:
    [[nodiscard]] std::size_t ready() const noexcept {
        return static_cast<std::size_t>(written_seen_ - read_);
    }
    [[nodiscard]] bool refresh() noexcept {
        const std::uint64_t written = cursors_.written.load(std::memory_order_seq_cst);
        if (written - written_seen_ > bytes_.size() - ready()) return false;
        written_seen_ = written;
        return true;
    }
    static Error position_is_nonsense() {
        return Error(ErrorCode::ring_corrupt,
                     "the writer's position has moved back or passed the end of the ring");
    }

    Cursors& cursors_;
    const std::span<const std::byte> bytes_;
    std::uint64_t read_ = 0;
    std::uint64_t released_ = 0;
    std::uint64_t written_seen_ = 0;  // the writer's position when it was last looked at
};

}  // namespace casc::ring
