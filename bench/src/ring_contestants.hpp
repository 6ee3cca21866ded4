#pragma once
// The queues that the `ring` workload compares, behind one shape. Each uses the fastest calls it
// has: where a queue has no batch operation, a batch is a loop.
//
// Thread: push*() one thread, pop*() one thread.

#include <casc/ring/ring.hpp>

#include <boost/lockfree/spsc_queue.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <readerwriterqueue/readerwriterqueue.h>
#include <span>

namespace casc::bench {

template <std::size_t kBytes>
struct RingItem {
    std::array<std::uint64_t, kBytes / 8> words{};
};

template <class Item>
class CascContestant {
public:
    static constexpr const char* kName = "casc";
    explicit CascContestant(std::size_t capacity) : ring_(ring::make_ring<Item>(capacity)) {}

    bool push(const Item& item) { return ring_.producer.try_push(item); }
    bool pop(Item& item) { return ring_.consumer.try_pop(item); }
    std::size_t push_many(std::span<Item> items) { return ring_.producer.try_push_many(items); }
    template <class Use>
    std::size_t use_many(std::size_t max, Use&& use) {
        return ring_.consumer.drain([&use](Item&& item) { use(item); }, max);
    }

private:
    ring::Ring<Item> ring_;
};

template <class Item>
class BoostContestant {
public:
    static constexpr const char* kName = "boost::lockfree::spsc_queue";
    explicit BoostContestant(std::size_t capacity) : queue_(capacity) {}

    bool push(const Item& item) { return queue_.push(item); }
    bool pop(Item& item) { return queue_.pop(item); }
    std::size_t push_many(std::span<Item> items) { return queue_.push(items.data(), items.size()); }
    // consume_all() has no bound, and is the fastest way out of this queue.
    template <class Use>
    std::size_t use_many(std::size_t, Use&& use) {
        return queue_.consume_all(use);
    }

private:
    boost::lockfree::spsc_queue<Item> queue_;
};

template <class Item>
class MoodycamelContestant {
public:
    static constexpr const char* kName = "moodycamel::ReaderWriterQueue";
    explicit MoodycamelContestant(std::size_t capacity) : queue_(capacity) {}

    bool push(const Item& item) { return queue_.try_enqueue(item); }
    bool pop(Item& item) { return queue_.try_dequeue(item); }
    std::size_t push_many(std::span<Item> items) {
        std::size_t count = 0;
        while (count < items.size() && queue_.try_enqueue(items[count]))
            ++count;
        return count;
    }
    template <class Use>
    std::size_t use_many(std::size_t max, Use&& use) {
        std::size_t count = 0;
        for (Item item; count < max && queue_.try_dequeue(item); ++count)
            use(item);
        return count;
    }

private:
    moodycamel::ReaderWriterQueue<Item> queue_;
};

}  // namespace casc::bench
