#include "delivery_queue.hpp"

#include <algorithm>

namespace casc::client {

bool DeliveryQueue::empty() const noexcept {
    return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane.empty(); });
}

std::size_t DeliveryQueue::choose() noexcept {
    std::size_t best = kLaneCount;
    for (std::size_t lane = 0; lane < kLaneCount; ++lane) {
        if (lanes_[lane].empty()) continue;
        if (best == kLaneCount || passed_over_[lane] >= kTurns) best = lane;
    }
    for (std::size_t lane = 0; lane < kLaneCount; ++lane)
        if (lane != best && !lanes_[lane].empty()) ++passed_over_[lane];
    passed_over_[best] = 0;
    return best;
}

InboxItem& DeliveryQueue::front() noexcept {
    if (chosen_ == kLaneCount) chosen_ = choose();
    return lanes_[chosen_].front();
}

void DeliveryQueue::pop() noexcept {
    lanes_[chosen_].pop_front();
    chosen_ = kLaneCount;
}

void DeliveryQueue::clear() noexcept {
    for (auto& lane : lanes_)
        lane.clear();
    passed_over_ = {};
    chosen_ = kLaneCount;
}

}  // namespace casc::client
