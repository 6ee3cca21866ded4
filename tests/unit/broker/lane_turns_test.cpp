// Whose turn it is among the lanes.

#include "lane_turns.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace casc;
using namespace casc::broker;

namespace {

std::string picks(int count, const Config::Delivery& bounds, std::string_view waiting) {
    LaneTurns turns;
    std::string picked;
    for (int i = 0; i < count; ++i)
        picked += std::to_string(
            turns.pick([&](std::size_t lane) { return waiting[lane] == '1'; }, bounds));
    return picked;
}

}  // namespace

TEST_CASE(
    "broker/lane_turns: the highest lane, and a lower one when it was passed over often enough") {
    CHECK(picks(3, {.starvation_bound = 4}, "0110") == "111");
    CHECK(picks(9, {.starvation_bound = 4}, "1001") == "000300030");
    CHECK(picks(2, {.starvation_bound = 4}, "0000") == "44");
    CHECK(picks(6, {.starvation_bound = 2}, "0011") == "232323");
}

TEST_CASE("broker/lane_turns: a lower lane that was passed over for long enough gets its turn") {
    LaneTurns turns;
    const Config::Delivery bounds{.starvation_bound = 1'000'000'000,
                                  .starvation_age = std::chrono::milliseconds(2)};
    const auto both = [](std::size_t lane) { return lane < 2; };
    const auto until_low = [&] {
        const MonoNanos began = mono_now();
        std::size_t passed_over = 0;
        while (turns.pick(both, bounds) == 0)
            ++passed_over;
        // No more than once where this thread was held up for so long.
        CHECK(passed_over >= 1);
        return (mono_now() - began).value();
    };
    CHECK(until_low() >= 2'000'000);
    CHECK(until_low() >= 2'000'000);  // it begins anew
}

TEST_CASE("broker/lane_turns: room is kept for higher lanes, and not from one that is starving") {
    LaneTurns turns;
    const Config::Delivery bounds{.starvation_bound = 3};
    std::string waiting = "0001";
    const auto pick = [&] {
        return turns.pick([&](std::size_t lane) { return waiting[lane] == '1'; },
                          [](std::size_t lane) { return lane < 3; }, bounds);
    };
    for (int i = 0; i < 10; ++i)
        CHECK(pick() == kLaneCount);  // not in favour of anybody
    waiting = "1001";
    std::string picked;
    for (int i = 0; i < 7; ++i)
        picked += std::to_string(pick());
    CHECK(picked == "0030030");
}
