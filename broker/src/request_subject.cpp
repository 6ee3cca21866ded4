#include "request_subject.hpp"

#include <casc/types/assert.hpp>

namespace casc::broker {

// ---- ReadyServings: a binary heap whose members know their places -------------------------------

void ReadyServings::add(Serving& serving) {
    CASC_ASSERT(!holds(serving), serving.number);
    heap_.push_back(&serving);
    serving.ready_at = static_cast<std::uint32_t>(heap_.size() - 1);
    up(serving.ready_at);
}

void ReadyServings::remove(Serving& serving) {
    if (!holds(serving)) return;
    const std::uint32_t at = std::exchange(serving.ready_at, kNowhere);
    Serving* const last = heap_.back();
    heap_.pop_back();
    if (last == &serving) return;
    put(at, last);
    moved(*last);
}

void ReadyServings::moved(Serving& serving) {
    if (!up(serving.ready_at)) down(serving.ready_at);
}

bool ReadyServings::up(std::uint32_t at) {
    Serving* const serving = heap_[at];
    const std::uint32_t from = at;
    while (at != 0 && before(*serving, *heap_[(at - 1) / 2])) {
        put(at, heap_[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(at, serving);
    return at != from;
}

void ReadyServings::down(std::uint32_t at) {
    Serving* const serving = heap_[at];
    const auto size = static_cast<std::uint32_t>(heap_.size());
    for (std::uint32_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
        if (child + 1 < size && before(*heap_[child + 1], *heap_[child])) ++child;
        if (!before(*heap_[child], *serving)) break;
        put(at, heap_[child]);
        at = child;
    }
    put(at, serving);
}

// ---- WaitingRequests ----------------------------------------------------------------------------

WaitingRequests::Place WaitingRequests::add(Lane lane, Waiting waiting) {
    auto& list = lanes_[static_cast<std::size_t>(lane)];
    ++count_;
    return list.insert(list.end(), std::move(waiting));
}

void WaitingRequests::remove(Lane lane, Place place) {
    lanes_[static_cast<std::size_t>(lane)].erase(place);
    --count_;
}

WaitingRequests::Waiting WaitingRequests::take(const Config::Delivery& bounds) {
    const std::size_t chosen =
        turns_.pick([this](std::size_t lane) { return !lanes_[lane].empty(); }, bounds);
    CASC_ASSERT(chosen != kLaneCount);
    Waiting waiting = std::move(lanes_[chosen].front());
    remove(static_cast<Lane>(chosen), lanes_[chosen].begin());
    return waiting;
}

}  // namespace casc::broker
