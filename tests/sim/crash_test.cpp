// The whole store, its power cut at any moment: what was durable is there, what is there is a
// prefix of what was asked for, whole entries only, and no offset is ever used twice.

#include "rounds.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::sim;

TEST_CASE(
    "sim/crash: after any end of any life the store is as it was after a whole entry, none durable "
    "missing") {
    const std::uint64_t seed = seed_of_this_run();
    const int rounds = rounds_of_this_run(300);
    constexpr int kLives = 8;  // of one disk
    World::Totals totals;
    for (int round = 0; round < rounds;) {
        CAPTURE(seed);
        CAPTURE(round);
        World world(seed + static_cast<std::uint64_t>(round));
        world.open();
        for (int life = 0; life < kLives && world.well(); ++life, ++round)
            one_life(world);
        REQUIRE(world.violations() == "");
        totals.events += world.totals().events;
        totals.batches_checked += world.totals().batches_checked;
        totals.torn_entries += world.totals().torn_entries;
        totals.replayed_entries += world.totals().replayed_entries;
    }
    MESSAGE(rounds << " lives, " << totals.events << " events, " << totals.batches_checked
                   << " batches compared, " << totals.replayed_entries << " entries replayed, "
                   << totals.torn_entries << " torn");
    CHECK(totals.torn_entries > 0);
    CHECK(totals.replayed_entries > 0);
}
