#pragma once
// When requests are over: a wheel of lists, so that a deadline costs a few stores to set and to
// take back, whether there are ten of them or a hundred thousand.

#include <casc/types/assert.hpp>
#include <casc/types/vocabulary.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

namespace casc::broker {

// Of small numbers, each with one deadline at most. A deadline is never found early, and late by
// kTickNanos at most.
// Thread: owning shard.
class DeadlineWheel {
public:
    static constexpr unsigned kTickShift = 24;
    static constexpr std::int64_t kTickNanos = std::int64_t{1} << kTickShift;  // 16.8 ms

    // Nothing before `now` will be asked for.
    explicit DeadlineWheel(MonoNanos now) : passed_(now.value() >> kTickShift) {
        first_.fill(kNone);
    }

    // `id` must have no deadline yet.
    void add(std::uint32_t id, MonoNanos due) {
        if (id >= nodes_.size()) nodes_.resize(id + 1);
        std::int64_t tick = (due.value() + kTickNanos - 1) >> kTickShift;
        if (tick <= passed_) tick = passed_ + 1;
        nodes_[id].tick = tick;
        ++count_;
        link(id, static_cast<std::uint32_t>(tick) % kLists);
    }
    // Nothing happens when it has none.
    void remove(std::uint32_t id) {
        if (id >= nodes_.size() || nodes_[id].list == kNone) return;
        --count_;
        unlink(id);
    }

    // Calls `expired(id)` for everything that is due at `now`; it may add and remove others.
    template <class Expired>
    void expire(MonoNanos now, Expired&& expired) {
        const std::int64_t until = now.value() >> kTickShift;
        // Once round is enough to see every list.
        if (until - passed_ > kLists) passed_ = until - kLists;
        while (passed_ < until) {
            ++passed_;
            const auto list = static_cast<std::uint32_t>(passed_) % kLists;
            for (std::uint32_t id = first_[list]; id != kNone;) {
                const std::uint32_t next = nodes_[id].next;
                // What is there and not due is of a later round.
                if (nodes_[id].tick <= until) {
                    unlink(id);
                    link(id, kDue);
                }
                id = next;
            }
        }
        while (first_[kDue] != kNone) {
            const std::uint32_t id = first_[kDue];
            remove(id);
            expired(id);
        }
    }

    // When to call expire() next. It may find nothing then.
    [[nodiscard]] std::optional<MonoNanos> next() const noexcept {
        if (count_ == 0) return std::nullopt;
        for (std::int64_t tick = passed_ + 1; tick <= passed_ + kLists;) {
            const auto list = static_cast<std::uint32_t>(tick) % kLists;
            const std::uint64_t word = used_[list / 64] >> list % 64;
            if (word != 0) return MonoNanos((tick + std::countr_zero(word)) << kTickShift);
            tick += 64 - list % 64;
        }
        return MonoNanos((passed_ + 1) << kTickShift);
    }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    static constexpr std::uint32_t kNone = ~0u;
    static constexpr std::uint32_t kLists = 4096;  // 69 s a round
    static constexpr std::uint32_t kDue = kLists;  // one more: found, and not told yet

    struct Node {
        std::uint32_t next = kNone;
        std::uint32_t previous = kNone;
        std::uint32_t list = kNone;
        std::int64_t tick = 0;
    };

    void link(std::uint32_t id, std::uint32_t list) {
        Node& node = nodes_[id];
        CASC_ASSERT(node.list == kNone, id);
        node.list = list;
        node.previous = kNone;
        node.next = first_[list];
        if (node.next != kNone) nodes_[node.next].previous = id;
        first_[list] = id;
        if (list != kDue) used_[list / 64] |= std::uint64_t{1} << list % 64;
    }
    void unlink(std::uint32_t id) {
        Node& node = nodes_[id];
        const std::uint32_t list = node.list;
        (node.previous == kNone ? first_[list] : nodes_[node.previous].next) = node.next;
        if (node.next != kNone) nodes_[node.next].previous = node.previous;
        node.list = kNone;
        if (list != kDue && first_[list] == kNone)
            used_[list / 64] &= ~(std::uint64_t{1} << list % 64);
    }

    std::int64_t passed_;  // ticks up to this one have been looked at
    std::size_t count_ = 0;
    std::array<std::uint32_t, kLists + 1> first_;
    std::array<std::uint64_t, kLists / 64> used_{};  // a bit per list that is not empty
    std::vector<Node> nodes_;                        // by id
};

}  // namespace casc::broker
