#pragma once
// client/src/delivery_queue.hpp: deliveries that were pushed and not handed out yet, in the order
// to hand them out.

#include "inbox.hpp"

#include <array>
#include <deque>

namespace casc::client {

// Arrival order is the order of the pushes. Priority order takes the most urgent lane that has
// something, since what was pushed ahead may be less urgent than what came after it, also when some
// of it has been handed out already; a waiting lane gets a turn after kTurns others.
//
// Thread: the consumer's.
class DeliveryQueue {
public:
    explicit DeliveryQueue(bool by_priority) : by_priority_(by_priority) {}

    void push(InboxItem item) { lanes_[index_of(item.log.lane())].push_back(std::move(item)); }
    [[nodiscard]] bool empty() const noexcept;
    // The one to hand out next; pop() removes it. Stays the same until then, or until look_again().
    [[nodiscard]] InboxItem& front() noexcept;
    // Chooses anew: something more urgent may have come, and what is begun goes on after it.
    void look_again() noexcept { chosen_ = kLaneCount; }
    void pop() noexcept;
    void clear() noexcept;

private:
    static constexpr unsigned kTurns = 16;

    [[nodiscard]] std::size_t index_of(Lane lane) const noexcept {
        return by_priority_ ? static_cast<std::size_t>(lane) : 0;
    }
    [[nodiscard]] std::size_t choose() noexcept;

    const bool by_priority_;
    std::array<std::deque<InboxItem>, kLaneCount> lanes_;
    std::array<unsigned, kLaneCount> passed_over_{};
    std::size_t chosen_ = kLaneCount;
};

}  // namespace casc::client
