// The checkers of this folder find the bugs that they exist for.

#include "rounds.hpp"

#include <casc/types/fail_point.hpp>

#include <doctest/doctest.h>

#ifdef CASC_FAIL_POINTS

using namespace casc;
using namespace casc::sim;

namespace {

// Lives the same lives as crash_test.cpp with the bug in the store; the first violation, or
// nothing.
std::string caught(std::string_view bug) {
    const std::uint64_t seed = seed_of_this_run();
    seed_bug(bug);
    std::string found;
    for (std::uint64_t disk = 0; disk < 12 && found.empty(); ++disk) {
        World world(seed + disk);
        world.open();
        for (int life = 0; life < 8 && world.well(); ++life)
            one_life(world);
        found = world.violations();
    }
    seed_bug({});
    return found;
}

}  // namespace

TEST_CASE("sim/seeded_bugs: without one there is nothing to find") {
    CHECK(caught("") == "");
}

TEST_CASE("sim/seeded_bugs: an entry called durable before its write is complete is found") {
    const std::string found = caught("ack_before_complete");
    MESSAGE(found);
    CHECK(found.find("the store is as after no entry from the newest durable one on") !=
          std::string::npos);
}

TEST_CASE("sim/seeded_bugs: an applied sequence stored too high is found") {
    const std::string found = caught("applied_too_high");
    MESSAGE(found);
    CHECK(found != "");
}

TEST_CASE("sim/seeded_bugs: a generation that does not rise is found") {
    const std::string found = caught("no_generation_bump");
    MESSAGE(found);
    CHECK(found.find("generation") != std::string::npos);
}

#endif
