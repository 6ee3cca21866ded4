#pragma once
// Which lane is served next: the highest in which something waits, unless a lower one has been
// passed over too often, or for too long.

#include <casc/broker/config.hpp>
#include <casc/types/clock.hpp>
#include <casc/types/vocabulary.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace casc::broker {

// Thread: one at a time.
class LaneTurns {
public:
    // `waits(lane)`: whether something does. kLaneCount: nothing does anywhere.
    template <class Waits>
    [[nodiscard]] std::size_t pick(Waits&& waits, const Config::Delivery& bounds) {
        return pick(
            waits, [](std::size_t) { return true; }, bounds);
    }
    // `has_room(lane)`: whether the lane may take what is left of the receiver's room, some of
    // which is kept for higher ones; it may in any case once it has been passed over for long
    // enough.
    template <class Waits, class HasRoom>
    [[nodiscard]] std::size_t pick(Waits&& waits, HasRoom&& has_room,
                                   const Config::Delivery& bounds) {
        std::size_t chosen = kLaneCount;
        for (std::size_t lane = 0; lane < kLaneCount; ++lane) {
            if (!waits(lane)) {
                passed_over_[lane] = {};
            } else if (chosen == kLaneCount ? has_room(lane)
                                            : is_starving(passed_over_[lane], bounds)) {
                chosen = lane;
            }
        }
        if (chosen != kLaneCount) passed_over_[chosen] = {};
        return chosen;
    }

private:
    struct PassedOver {
        std::uint32_t times = 0;
        MonoNanos since;
    };

    // Once more in favour of a higher lane, if it is not.
    static bool is_starving(PassedOver& lane, const Config::Delivery& bounds) {
        const bool by_age = bounds.starvation_age.count() != 0;
        const MonoNanos now = by_age ? mono_now() : MonoNanos{};
        if (++lane.times == 1) lane.since = now;
        return lane.times >= bounds.starvation_bound ||
               (by_age && (now - lane.since).value() >=
                              std::chrono::nanoseconds(bounds.starvation_age).count());
    }

    std::array<PassedOver, kLaneCount> passed_over_{};
};

}  // namespace casc::broker
