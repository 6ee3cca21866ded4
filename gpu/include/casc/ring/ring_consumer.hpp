#pragma once
// casc/ring/ring_consumer.hpp: the end of a ring that reads.

#include <casc/ring/detail/prefetch.hpp>
#include <casc/ring/detail/ring_core.hpp>
#include <casc/ring/ring_state.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace casc::ring {

// Thread:   one reader at a time. May be handed from thread to thread like any object (with
//           synchronisation).
// Lifetime: independent of the producer; destroying it abandons the ring.
template <class T, class Sync = StdSync>
class RingConsumer {
    using Core = detail::RingCore<T, Sync>;

public:
    explicit RingConsumer(std::shared_ptr<Core> core) noexcept : core_(std::move(core)) {}
    RingConsumer(RingConsumer&&) noexcept = default;
    RingConsumer& operator=(RingConsumer&& other) noexcept {
        if (this != &other) {
            abandon();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~RingConsumer() { abandon(); }

    // Takes the oldest item. False (nullopt) when there is none; state() says whether one can still
    // come.
    [[nodiscard]] bool try_pop(T& item) noexcept(std::is_nothrow_move_assignable_v<T>) {
        if (available(1) == 0) return false;
        T* const slot = front();
        item = std::move(*slot);
        std::destroy_at(slot);
        give_back(1);
        return true;
    }
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        if (available(1) == 0) return std::nullopt;
        T* const slot = front();
        std::optional<T> item(std::move(*slot));
        std::destroy_at(slot);
        give_back(1);
        return item;
    }

    // Takes up to items.size() of the oldest items into `items`, front first, and returns how many.
    [[nodiscard]] std::size_t pop_many(std::span<T> items) {
        T* out = items.data();
        return drain([&out](T&& item) { *out++ = std::move(item); }, items.size());
    }

    // Calls `use(T&&)` for up to `max` of the oldest items and returns for how many. The slots go
    // back to the producer together at the end, or, if `use` throws, up to and including the item
    // that it threw at.
    template <class Use>
    std::size_t drain(Use&& use, std::size_t max = std::numeric_limits<std::size_t>::max()) {
        const std::size_t count = std::min(available(max), max);
        const std::uint64_t head = next_slot();
        const std::uint64_t known = core_->consumer.tail_seen;
        GiveBack done{*this, 0};
        while (done.count < count) {
            T* const slot = core_->consumer.window.slot(head + done.count);
            // Among those that are known to have been written. In the same loop: one around it for
            // whole lines cost the user's code its registers, and half the speed.
            if (head + done.count + kAhead < known)
                detail::prefetch_to_read(core_->consumer.window.slot(head + done.count + kAhead));
            ++done.count;
            const Destroyer used{slot};
            use(std::move(*slot));
        }
        return count;
    }

    // The oldest item in place, or null. Valid until the next call that takes an item.
    [[nodiscard]] T* peek() noexcept { return available(1) == 0 ? nullptr : front(); }

    // Whether there is an item or the ring is no longer open: the question to ask between
    // Waker::arm() and sleeping.
    [[nodiscard]] bool ready() noexcept {
        auto& side = core_->consumer;
        const std::uint64_t head = next_slot();
        if (side.tail_seen == head && !side.producer_left) refresh(head);
        return side.tail_seen != head || side.producer_left;
    }

    // open: items may come; draining: only those in the ring; closed: none.
    [[nodiscard]] RingState state() noexcept {
        auto& side = core_->consumer;
        const std::uint64_t head = next_slot();
        if (!side.producer_left) refresh(head);
        if (!side.producer_left) return RingState::open;
        return side.tail_seen == head ? RingState::closed : RingState::draining;
    }

    // Says that we read no more. The producer sees it when it finds the ring full or asks; what is
    // left in the ring is destroyed with it.
    void abandon() noexcept {
        if (!core_) return;
        auto& side = core_->consumer;
        const std::uint64_t head = next_slot();
        side.tail_seen = head;  // from now on this end reads as empty and closed
        side.producer_left = true;
        // release: the last item's destruction comes before whatever the producer does upon seeing
        // this.
        core_->published_head.store(head | detail::kLeft, std::memory_order_release);
    }

    [[nodiscard]] std::size_t capacity() const noexcept {
        return core_->consumer.window.capacity();
    }

private:
    struct Destroyer {
        T* slot;
        ~Destroyer() { std::destroy_at(slot); }
    };
    struct GiveBack {
        RingConsumer& consumer;
        std::size_t count;
        ~GiveBack() { consumer.give_back(count); }
    };

    static constexpr std::size_t kAhead = detail::items_in<T>(detail::kReadAheadBytes);

    // The position of the oldest item that was not taken yet.
    [[nodiscard]] std::uint64_t next_slot() const noexcept { return core_->consumer.head; }
    T* front() const noexcept { return core_->consumer.window.slot(next_slot()); }

    // How many items can be taken. Looks at the producer's line only when fewer than `wanted` are
    // known.
    std::size_t available(std::size_t wanted) noexcept {
        auto& side = core_->consumer;
        const std::uint64_t head = next_slot();
        if (side.tail_seen - head >= wanted) return side.tail_seen - head;
        if (!side.producer_left) look(head);
        return side.tail_seen - head;
    }

    // A reader that has caught up with a stream of items would take the producer's line from it
    // after every one or two. It leaves it there for a moment, so that the next look shows many;
    // whose items come one at a time, as in a dialogue, finds nothing at its first look after one
    // and never waits.
    void look(std::uint64_t head) noexcept {
        auto& side = core_->consumer;
        const std::uint64_t known = side.tail_seen;
        if (side.flowing && known == head)
            for (int i = 0; i < kBreaths; ++i)
                breathe();
        refresh(head);
        const bool found = side.tail_seen != known;
        side.flowing = found && side.found;
        side.found = found;
        if (found) {
            side.looks = 0;
        } else if (side.looks < kLooksAwake) {
            ++side.looks;
            wait_shortly();
        } else {
            breathe();
        }
    }

    static constexpr int kBreaths = 16;  // 120 ns on the machine of docs/performance.md
    // So many looks in a row that find nothing follow each other closely, a few microseconds: as
    // long as the answer of a dialogue takes. It would come in the middle of a breath, which is
    // up to 50 ns. Without any wait the looks get into the way of what they look for.
    static constexpr std::uint32_t kLooksAwake = 256;

    static void wait_shortly() noexcept {
        for (int i = 0; i < 16; ++i)  // some 6 ns
            asm volatile("" : : "r"(i));
    }
    static void breathe() noexcept {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("isb");
#endif
    }

    void refresh(std::uint64_t head) noexcept {
        auto& side = core_->consumer;
        // The slot's line is asked for together with the position's, so that they travel at the
        // same time instead of one after the other: a round trip took 1.3 times as long without.
        detail::prefetch_to_read(side.window.slot(head));
        // seq_cst: pairs with the producer's publication, also for the check before sleeping
        // (waker.hpp). On x86 it is the same instruction as an acquire load.
        const std::uint64_t published = core_->published_tail.load(std::memory_order_seq_cst);
        if (published == side.tail_seen) return;  // a reader that polls writes nothing there
        side.tail_seen = detail::position_of(published);
        side.producer_left = detail::has_left(published);
    }

    void give_back(std::size_t count) noexcept {
        if (count == 0) return;
        // release: our reads and destructions of the slots come before the producer's next writes
        // there.
        core_->consumer.head += count;
        core_->published_head.store(core_->consumer.head, std::memory_order_release);
    }

    std::shared_ptr<Core> core_;
};

}  // namespace casc::ring
