#pragma once
// casc/gpu/lane_queues.hpp: requests in line, first come first served inside each lane.

#include <casc/gpu/waiting_request.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

namespace casc::gpu {

// Places are used again.
//
// Thread: one at a time.
class LaneQueues {
public:
    explicit LaneQueues(std::size_t capacity_per_lane) : capacity_(capacity_per_lane) {}

    // To the end of its lane. False: the lane is full, or the id stands in line already.
    [[nodiscard]] bool push(const WaitingRequest& request);
    // The first of a lane; null when nobody is in line.
    [[nodiscard]] const WaitingRequest* front(Lane lane) const noexcept;
    // Takes out the first of a lane; there must be one.
    WaitingRequest pop(Lane lane);
    // Takes out whichever has that id, if one has.
    std::optional<WaitingRequest> erase(RequestId id);
    // The earliest one whose deadline is not after `now`, taken out.
    [[nodiscard]] std::optional<WaitingRequest> pop_expired(MonoNanos now);
    // Of all in line.
    [[nodiscard]] MonoNanos earliest_deadline();

    [[nodiscard]] std::size_t size(Lane lane) const noexcept { return line(lane).count; }
    [[nodiscard]] std::size_t size() const noexcept { return by_id_.size(); }
    // Of who waits and, a bounded number, of who has left.
    [[nodiscard]] std::size_t deadlines_kept() const noexcept { return due_.size(); }
    [[nodiscard]] bool empty() const noexcept { return by_id_.empty(); }

private:
    using Place = std::uint32_t;
    static constexpr Place kNobody = ~Place{0};

    struct Standing {
        WaitingRequest request;
        Place before = kNobody;
        Place behind = kNobody;
    };
    struct Line {
        Place first = kNobody;
        Place last = kNobody;
        std::size_t count = 0;
    };
    struct Due {
        MonoNanos deadline;
        RequestId id;
        friend bool operator>(const Due& a, const Due& b) { return a.deadline > b.deadline; }
    };

    [[nodiscard]] Line& line(Lane lane) noexcept { return lines_[static_cast<std::size_t>(lane)]; }
    [[nodiscard]] const Line& line(Lane lane) const noexcept {
        return lines_[static_cast<std::size_t>(lane)];
    }
    WaitingRequest take(Place at);
    // Deadlines of those who have left are passed over when they come to the front, and thrown away
    // when they are more than those of who waits.
    void forget_gone();
    void throw_away_gone();

    const std::size_t capacity_;
    std::vector<Standing> places_;
    std::vector<Place> free_;
    std::array<Line, kLaneCount> lines_{};
    std::unordered_map<RequestId, Place> by_id_;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace casc::gpu
