#pragma once
// casc/ring/ring_producer.hpp: the end of a ring that writes.

#include <casc/ring/detail/ring_core.hpp>
#include <casc/ring/ring_state.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace casc::ring {

// Publishing makes items visible to the reader and wakes it if it sleeps. try_push() publishes at once; a writer with
// several items stages them and publishes once, which costs one write of the shared line instead of one per item.
//
// Thread:   one writer at a time. May be handed from thread to thread like any object (with synchronisation).
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
        if (!try_stage(std::forward<Args>(args)...)) return false;
        publish();
        return true;
    }

    // Builds one item behind the staged ones. The reader sees it after the next publish(). False when full or closed;
    // then the arguments are untouched. If the constructor throws nothing was staged.
    template <class... Args>
    [[nodiscard]] bool try_stage(Args&&... args) {
        auto& side = core_->producer;
        if (side.tail - side.head_seen == side.window.capacity() && refreshed_room() == 0) [[unlikely]] return false;
        std::construct_at(side.window.slot(side.tail), std::forward<Args>(args)...);
        ++side.tail;
        return true;
    }

    // Moves as many of `items` into the ring as there is room for, from the front, publishes them together and
    // returns how many.
    [[nodiscard]] std::size_t try_push_many(std::span<T> items) noexcept {
        const std::size_t count = std::min<std::size_t>(items.size(), room_for(items.size()));
        auto& side = core_->producer;
        for (std::size_t i = 0; i < count; ++i) {
            std::construct_at(side.window.slot(side.tail + i), std::move(items[i]));
        }
        side.tail += count;
        publish();
        return count;
    }

    // Shows the reader everything staged so far. Cheap when there is nothing.
    void publish() noexcept {
        auto& side = core_->producer;
        if (side.tail == side.published) return;
        side.published = side.tail;
        announce(side.tail);
    }

    // Says that nothing will follow; staged items are published first. The reader gets what is left and then sees
    // RingState::closed. Closing twice is closing once.
    void close() noexcept {
        if (!core_) return;
        auto& side = core_->producer;
        if (detail::has_left(side.published)) return;
        side.published = side.tail | detail::kLeft;
        side.head_seen = side.tail - side.window.capacity();  // reads as "full" for ever, see refreshed_room()
        announce(side.published);
    }

    // draining: we have closed and the reader is not through; closed: it is, or it has gone and whatever is still
    // pushed is thrown away with the ring.
    [[nodiscard]] RingState state() const noexcept {
        // acquire: pairs with the consumer's release of published_head.
        const std::uint64_t head = core_->published_head.load(std::memory_order_acquire);
        const auto& side = core_->producer;
        if (detail::has_left(head)) return RingState::closed;
        if (!detail::has_left(side.published)) return RingState::open;
        return head == side.tail ? RingState::closed : RingState::draining;
    }

    // How many more items fit at least, counting staged ones as in.
    [[nodiscard]] std::size_t room() noexcept { return room_for(core_->producer.window.capacity()); }
    [[nodiscard]] std::size_t capacity() const noexcept { return core_->producer.window.capacity(); }

private:
    std::size_t room_for(std::size_t wanted) noexcept {
        const auto& side = core_->producer;
        const std::size_t known = side.window.capacity() - (side.tail - side.head_seen);
        return known >= wanted ? known : refreshed_room();
    }

    // The room after a look at how far the consumer has come; none once either side has left.
    std::size_t refreshed_room() noexcept {
        auto& side = core_->producer;
        if (detail::has_left(side.published)) return 0;
        // acquire: pairs with the consumer's release, so that its reads of a slot come before our next write there.
        const std::uint64_t head = core_->published_head.load(std::memory_order_acquire);
        if (detail::has_left(head)) return 0;
        side.head_seen = head;
        return side.window.capacity() - (side.tail - head);
    }

    void announce(std::uint64_t published) noexcept {
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
