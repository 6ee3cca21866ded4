#pragma once
// casc/ring/ring_producer.hpp: the end of a ring that writes.

#include <casc/ring/detail/prefetch.hpp>
#include <casc/ring/detail/ring_core.hpp>
#include <casc/ring/detail/streaming.hpp>
#include <casc/ring/ring_state.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace casc::ring {

// Publishing makes items visible to the reader and wakes it if it sleeps. try_push() publishes at
// once; a writer with several items stages them and publishes once, which costs one write of the
// shared line instead of one per item.
//
// Thread:   one writer at a time. May be handed from thread to thread like any object (with
//           synchronisation).
// Lifetime: independent of the consumer; destroying it closes the ring.
template <class T, class Sync = StdSync>
class RingProducer {
    using Core = detail::RingCore<T, Sync>;

public:
    explicit RingProducer(std::shared_ptr<Core> core) noexcept : core_(std::move(core)) {}
    RingProducer(RingProducer&&) noexcept = default;
    RingProducer& operator=(RingProducer&& other) noexcept {
        if (this != &other) {
            close();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~RingProducer() { close(); }

    // Adds and publishes one item. False when the ring is full or closed; then `item` is untouched.
    [[nodiscard]] bool try_push(T&& item) noexcept { return try_emplace(std::move(item)); }
    [[nodiscard]] bool try_push(const T& item) { return try_emplace(item); }

    template <class... Args>
    [[nodiscard]] bool try_emplace(Args&&... args) {
        const std::uint64_t tail = build(std::forward<Args>(args)...);
        if (tail == kRefused) [[unlikely]]
            return false;
        announce(tail + 1);
        return true;
    }

    // Builds one item behind the staged ones. The reader sees it after the next publication. False
    // when full or closed; then the arguments are untouched. If the constructor throws nothing was
    // staged.
    template <class... Args>
    [[nodiscard]] bool try_stage(Args&&... args) {
        if (build(std::forward<Args>(args)...) == kRefused) [[unlikely]]
            return false;
        ++core_->producer.staged;
        return true;
    }

    // Moves as many of `items` into the ring as there is room for, from the front, publishes them
    // together and returns how many.
    [[nodiscard]] std::size_t try_push_many(std::span<T> items) noexcept {
        const std::size_t count = std::min<std::size_t>(items.size(), room_for(items.size()));
        if (count == 0) return 0;
        const std::uint64_t tail = next_slot();
        move_in(items.first(count), tail);
        announce(tail + count);
        return count;
    }

    // Shows the reader everything staged so far. Cheap when there is nothing.
    void publish() noexcept {
        if (core_->producer.staged != 0) announce(next_slot());
    }

    // Says that nothing will follow; staged items are published first. The reader gets what is left
    // and then sees RingState::closed. Closing twice is closing once.
    void close() noexcept {
        if (!core_) return;
        auto& side = core_->producer;
        if (side.closed) return;
        side.closed = true;
        const std::uint64_t tail = next_slot();
        side.head_seen =
            tail - side.window.capacity();  // reads as "full" for ever, see refreshed_room()
        announce(tail | detail::kLeft);
    }

    // draining: we have closed and the reader is not through; closed: it is, or it has gone and
    // whatever is still pushed is thrown away with the ring.
    [[nodiscard]] RingState state() const noexcept {
        // acquire: pairs with the consumer's release of published_head.
        const std::uint64_t head = core_->published_head.load(std::memory_order_acquire);
        const auto& side = core_->producer;
        if (detail::has_left(head)) return RingState::closed;
        if (!side.closed) return RingState::open;
        return head == next_slot() ? RingState::closed : RingState::draining;
    }

    // How many more items fit at least, counting staged ones as in.
    [[nodiscard]] std::size_t room() noexcept {
        return room_for(core_->producer.window.capacity());
    }
    [[nodiscard]] std::size_t capacity() const noexcept {
        return core_->producer.window.capacity();
    }

private:
    static constexpr std::uint64_t kRefused = detail::kLeft;  // no position has this bit

    // The position behind everything built so far. Read back from where it is published: with a
    // second copy on our own line single items of 8 bytes went at a sixth of the speed, because the
    // writer then never waits for the shared line and the reader takes it back after every few
    // items.
    [[nodiscard]] std::uint64_t next_slot() const noexcept {
        // relaxed: nobody else writes it.
        const std::uint64_t published = core_->published_tail.load(std::memory_order_relaxed);
        return detail::position_of(published) + core_->producer.staged;
    }

    // Builds an item in the next slot and returns its position, or kRefused.
    template <class... Args>
    std::uint64_t build(Args&&... args) {
        const auto& side = core_->producer;
        const std::uint64_t tail = next_slot();
        if (tail - side.head_seen == side.window.capacity() && refreshed_room() == 0) [[unlikely]]
            return kRefused;
        std::construct_at(side.window.slot(tail), std::forward<Args>(args)...);
        return tail;
    }

    void move_in(std::span<T> items, std::uint64_t tail) noexcept {
        if constexpr (detail::kStreamable<T>) {
            if (items.size_bytes() >= detail::kStreamBytesMin) return move_many_in(items, tail);
        }
        copy_in(items, tail);
    }

    // The way that is cheaper where the two threads are, see StreamChoice.
    void move_many_in(std::span<T> items, std::uint64_t tail) noexcept {
        auto& way = core_->producer.way;
        if (way.streams()) {
            stream_in(items, tail);
        } else {
            copy_in(items, tail);
        }
        way.wrote(items.size_bytes(), detail::ticks_now);
    }

    void stream_in(std::span<T> items, std::uint64_t tail) noexcept {
        for (std::size_t i = 0; i < items.size(); ++i)
            detail::stream(core_->producer.window.slot(tail + i), &items[i], sizeof(T));
        detail::streamed();
    }

    void copy_in(std::span<T> items, std::uint64_t tail) noexcept {
        constexpr std::size_t stretch = detail::items_in<T>(detail::kPrefetchStretchBytes);
        const auto& window = core_->producer.window;
        const bool is_short = items.size_bytes() < detail::kPrefetchBytesMin;
        for (std::size_t done = 0; done < items.size();) {
            const std::size_t end = std::min(items.size(), done + stretch);
            if (!is_short) prefetch_ahead(end - done, tail + done);
            for (; done < end; ++done)
                std::construct_at(window.slot(tail + done), std::move(items[done]));
        }
    }

    // The lines that come later, as many as `count` items take. Only slots that the reader is
    // known to have emptied: it may still be at the others.
    void prefetch_ahead(std::size_t count, std::uint64_t tail) noexcept {
        const auto& side = core_->producer;
        const std::uint64_t first = tail + detail::items_in<T>(detail::kWriteAheadBytes);
        if (first + count - side.head_seen > side.window.capacity()) return;
        for (std::size_t i = 0; i < count; i += detail::items_in<T>(detail::kPrefetchLineBytes))
            detail::prefetch_to_write(side.window.slot(first + i));
    }

    std::size_t room_for(std::size_t wanted) noexcept {
        const auto& side = core_->producer;
        const std::size_t known = side.window.capacity() - (next_slot() - side.head_seen);
        return known >= wanted ? known : refreshed_room();
    }

    // The room after a look at how far the consumer has come; none once either side has left.
    std::size_t refreshed_room() noexcept {
        auto& side = core_->producer;
        if (side.closed) return 0;
        // acquire: pairs with the consumer's release, so that its reads of a slot come before our
        // next write there.
        const std::uint64_t head = core_->published_head.load(std::memory_order_acquire);
        if (detail::has_left(head)) return 0;
        side.head_seen = head;
        return side.window.capacity() - (next_slot() - head);
    }

    // Publishes everything up to `published`, staged items included.
    void announce(std::uint64_t published) noexcept {
        if (core_->producer.staged != 0) core_->producer.staged = 0;
        Waker* const reader = core_->producer.reader;
        if (reader == nullptr) {
            // release: pairs with the consumer's acquire, so that it finds the slots written.
            core_->published_tail.store(published, std::memory_order_release);
            return;
        }
        // seq_cst: also comes before signal()'s load of the sleep flag, see waker.hpp.
        core_->published_tail.store(published, std::memory_order_seq_cst);
        reader->signal();
    }

    using Waker = BasicWaker<Sync>;
    std::shared_ptr<Core> core_;
};

}  // namespace casc::ring
