// Requests in line: against a plain list, and how much they may take.

#include <casc/gpu/lane_queues.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace casc;
using casc::gpu::LaneQueues;
using casc::gpu::WaitingRequest;

TEST_CASE("gpu/lane_queues: agree with a list in which everybody is looked for") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        const auto draw = [&](std::uint64_t bound) { return random() % bound; };
        LaneQueues queues(16);
        std::vector<WaitingRequest> list;  // in order of coming
        const auto count_of_lane = [&](Lane lane) {
            return static_cast<std::size_t>(std::ranges::count(list, lane, &WaitingRequest::lane));
        };
        const auto forget = [&](gpu::RequestId id) {
            std::erase_if(list, [&](const WaitingRequest& r) { return r.id == id; });
        };
        for (std::int64_t now = 1; now < 3000; ++now) {
            const Lane lane = kLanes[draw(kLaneCount)];
            const auto choice = draw(10);
            if (choice < 6) {
                WaitingRequest request{.id = draw(100), .lane = lane, .arrived = MonoNanos(now)};
                if (draw(2) == 0)
                    request.deadline = MonoNanos(now + static_cast<std::int64_t>(draw(50)));
                const bool is_there =
                    std::ranges::find(list, request.id, &WaitingRequest::id) != list.end();
                const bool fits = !is_there && count_of_lane(lane) < 16;
                CHECK(queues.push(request) == fits);
                if (fits) list.push_back(request);
            } else if (choice < 7) {
                const gpu::RequestId id = draw(100);
                const auto found = std::ranges::find(list, id, &WaitingRequest::id);
                CHECK(queues.erase(id).has_value() == (found != list.end()));
                forget(id);
            } else if (choice < 9) {
                const auto first = std::ranges::find(list, lane, &WaitingRequest::lane);
                const WaitingRequest* const front = queues.front(lane);
                REQUIRE((front != nullptr) == (first != list.end()));
                if (front == nullptr) continue;
                CHECK(front->id == first->id);
                forget(queues.pop(lane).id);
            } else {
                const auto earliest = std::ranges::min_element(list, {}, &WaitingRequest::deadline);
                const bool is_late = earliest != list.end() && earliest->deadline <= MonoNanos(now);
                const auto expired = queues.pop_expired(MonoNanos(now));
                REQUIRE(expired.has_value() == is_late);
                if (!expired) continue;
                CHECK(expired->deadline == earliest->deadline);
                forget(expired->id);
            }
            CHECK(queues.size() == list.size());
            CHECK(queues.size(lane) == count_of_lane(lane));
            const auto earliest = std::ranges::min_element(list, {}, &WaitingRequest::deadline);
            CHECK(queues.earliest_deadline() ==
                  (earliest == list.end() ? gpu::kNoDeadline : earliest->deadline));
        }
    }
}

TEST_CASE("gpu/lane_queues: who comes and goes behind an earlier deadline leaves nothing behind") {
    LaneQueues queues(16);
    REQUIRE(queues.push({.id = 1, .deadline = MonoNanos(10)}));
    for (int i = 0; i < 100'000; ++i) {
        REQUIRE(queues.push({.id = 2, .deadline = MonoNanos(1'000'000 + i)}));
        REQUIRE(queues.erase(2));
    }
    CHECK(queues.deadlines_kept() < 1000);
    CHECK(queues.earliest_deadline() == MonoNanos(10));
}
