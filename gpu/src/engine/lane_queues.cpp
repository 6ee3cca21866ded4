#include <casc/gpu/lane_queues.hpp>
#include <casc/types/assert.hpp>

#include <functional>
#include <utility>

namespace casc::gpu {
namespace {

constexpr std::size_t kDueMin = 64;

}  // namespace

bool LaneQueues::push(const WaitingRequest& request) {
    Line& to = line(request.lane);
    if (to.count >= capacity_ || by_id_.contains(request.id)) return false;
    if (free_.empty()) {
        free_.push_back(static_cast<Place>(places_.size()));
        places_.emplace_back();
    }
    const Place at = free_.back();
    free_.pop_back();
    places_[at] = {request, to.last, kNobody};
    (to.last == kNobody ? to.first : places_[to.last].behind) = at;
    to.last = at;
    ++to.count;
    by_id_.emplace(request.id, at);
    if (request.deadline == kNoDeadline) return true;
    if (due_.size() >= 2 * by_id_.size() + kDueMin) throw_away_gone();
    due_.push({request.deadline, request.id});
    return true;
}

const WaitingRequest* LaneQueues::front(Lane lane) const noexcept {
    const Place first = line(lane).first;
    return first == kNobody ? nullptr : &places_[first].request;
}

WaitingRequest LaneQueues::pop(Lane lane) {
    CASC_ASSERT(line(lane).count != 0, to_string(lane));
    return take(line(lane).first);
}

std::optional<WaitingRequest> LaneQueues::erase(RequestId id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return std::nullopt;
    return take(found->second);
}

WaitingRequest LaneQueues::take(Place at) {
    const Standing gone = places_[at];
    Line& of = line(gone.request.lane);
    (gone.before == kNobody ? of.first : places_[gone.before].behind) = gone.behind;
    (gone.behind == kNobody ? of.last : places_[gone.behind].before) = gone.before;
    --of.count;
    by_id_.erase(gone.request.id);
    free_.push_back(at);
    return gone.request;
}

void LaneQueues::forget_gone() {
    while (!due_.empty()) {
        const auto standing = by_id_.find(due_.top().id);
        // An id may have come back with another deadline.
        if (standing != by_id_.end() &&
            places_[standing->second].request.deadline == due_.top().deadline)
            return;
        due_.pop();
    }
}

void LaneQueues::throw_away_gone() {
    std::vector<Due> waiting;
    for (const auto& [id, at] : by_id_)
        if (const MonoNanos deadline = places_[at].request.deadline; deadline != kNoDeadline)
            waiting.push_back({deadline, id});
    due_ = decltype(due_)(std::greater<>{}, std::move(waiting));
}

std::optional<WaitingRequest> LaneQueues::pop_expired(MonoNanos now) {
    forget_gone();
    if (due_.empty() || due_.top().deadline > now) return std::nullopt;
    const Place at = by_id_.at(due_.top().id);
    due_.pop();
    return take(at);
}

MonoNanos LaneQueues::earliest_deadline() {
    forget_gone();
    return due_.empty() ? kNoDeadline : due_.top().deadline;
}

}  // namespace casc::gpu
