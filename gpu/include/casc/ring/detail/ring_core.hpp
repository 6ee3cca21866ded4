#pragma once
// casc/ring/detail/ring_core.hpp: what the two ends of a ring share.

#include <casc/ring/detail/stream_choice.hpp>
#include <casc/ring/waker.hpp>
#include <casc/types/assert.hpp>
#include <casc/types/units.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace casc::ring::detail {

// Positions count items since the ring was made and never wrap: 2^63 at 10^9 per second last 292
// years. The top bit of a published position says that its side has left, so that "how far" and "is
// that all" are read in one load.
inline constexpr std::uint64_t kLeft = std::uint64_t{1} << 63;
inline constexpr std::uint64_t position_of(std::uint64_t published) {
    return published & ~kLeft;
}
inline constexpr bool has_left(std::uint64_t published) {
    return (published & kLeft) != 0;
}

// One allocation of raw slots, touched once so that the first lap does not pay for page faults.
template <class T>
class Slots {
public:
    explicit Slots(std::size_t count)
        : bytes_(std::max(count * sizeof(T), kCacheLineBytes)),
          first_(static_cast<T*>(::operator new (bytes_, std::align_val_t{kAlign}))) {
        std::memset(static_cast<void*>(first_), 0, bytes_);
    }
    ~Slots() { ::operator delete (first_, std::align_val_t{kAlign}); }
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    [[nodiscard]] T* first() const noexcept { return first_; }

private:
    static constexpr std::size_t kAlign = std::max(alignof(T), kCacheLineBytes);
    const std::size_t bytes_;
    T* const first_;
};

// Thread:   constructed and destroyed anywhere; the members are grouped by the side that uses them.
// Lifetime: shared by the two ends; the last one to go destroys the items that nobody popped.
template <class T, class Sync>
class RingCore {
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                  "an item must not throw half-way between the two threads");

public:
    using Waker = BasicWaker<Sync>;
    using Position = typename Sync::template Atomic<std::uint64_t>;

    RingCore(std::size_t capacity_wanted, std::shared_ptr<Waker> reader)
        : slots_(capacity_for(capacity_wanted)),
          reader_(std::move(reader)),
          producer{
              {slots_.first(), capacity_for(capacity_wanted) - 1},    reader_.get(), 0, 0, false,
              StreamChoice{sizeof(T) * capacity_for(capacity_wanted)}},
          consumer{
              {slots_.first(), capacity_for(capacity_wanted) - 1}, 0, 0, false, false, false, 0} {}

    ~RingCore() {
        const std::uint64_t end = position_of(published_tail.load(std::memory_order_acquire));
        for (std::uint64_t at = position_of(published_head.load(std::memory_order_acquire));
             at != end; ++at) {
            std::destroy_at(consumer.window.slot(at));
        }
    }
    RingCore(const RingCore&) = delete;
    RingCore& operator=(const RingCore&) = delete;

private:
    static std::size_t capacity_for(std::size_t wanted) {
        return std::bit_ceil(std::max<std::size_t>(wanted, 1));
    }

    // Fixed after construction; each side keeps its own copy of what it needs on its own line.
    Slots<T> slots_;
    std::shared_ptr<Waker> reader_;

public:
    struct Window {
        T* slots;
        std::uint64_t mask;
        [[nodiscard]] T* slot(std::uint64_t position) const noexcept {
            return slots + (position & mask);
        }
        [[nodiscard]] std::uint64_t capacity() const noexcept { return mask + 1; }
    };

    // Owned by the producer.
    struct alignas(kCacheLineBytes) ProducerSide {
        Window window;
        Waker* reader;            // null: the reader never sleeps
        std::uint64_t staged;     // items built behind published_tail
        std::uint64_t head_seen;  // the newest published_head that this side has read
        bool closed;
        StreamChoice way;  // of batches that could be streamed
    } producer;

    // Written by the producer (seq_cst with a waker, release without), read by the consumer
    // (acquire or seq_cst).
    alignas(kCacheLineBytes) Position published_tail{0};

    // Written by the consumer (release), read by the producer (acquire).
    alignas(kCacheLineBytes) Position published_head{0};

    // Owned by the consumer.
    struct alignas(kCacheLineBytes) ConsumerSide {
        Window window;
        std::uint64_t head;       // the next slot to empty
        std::uint64_t tail_seen;  // the newest published_tail that this side has read
        bool producer_left;       // ... and whether its top bit was set
        bool found;               // the newest look at published_tail showed new items
        bool flowing;             // ... and the one before it, too
        std::uint32_t looks;      // in a row that showed none, as far as they are counted
    } consumer;
};

}  // namespace casc::ring::detail
