// Writes that fail, a disk that fills up, a disk that is slow: nothing acknowledged is lost, and
// the store says so in time.

#include "rounds.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::sim;
using casc::storage::SimulatedDisk;

namespace {

// As a producer does that waits while the store is behind. False: the store has failed, or the
// answer never came.
bool appended_until(World& world, ErrorCode answer) {
    for (int i = 0; i < 20'000 && world.alive(); ++i) {
        const auto ticket = world.append(world.any_log(), 3000, 1);
        if ((ticket ? ErrorCode::ok : ticket.error().code) == answer) return true;
        if (!ticket) world.wait_for_news();
        world.turn();
    }
    return false;
}

}  // namespace

TEST_CASE(
    "sim/faults: a write that fails freezes the store; what was acknowledged is there afterwards") {
    const std::uint64_t seed = seed_of_this_run();
    const int rounds = rounds_of_this_run(60);
    int frozen = 0;
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(seed);
        CAPTURE(round);
        World world(seed + static_cast<std::uint64_t>(round));
        world.open();
        world.work(60);
        constexpr std::string_view kParts[] = {"journal", ".sst", "MANIFEST", "CURRENT", "/data"};
        world.disk().fail_writes(1, kParts[world.draw(std::size(kParts))], world.draw(30));
        world.work(300);
        if (world.store().failure()) {
            ++frozen;
            CHECK(world.append(world.any_log(), 10, 1).error().code == ErrorCode::storage_failed);
            // Frozen for good: nothing more becomes durable, however often it is asked.
            const JournalSequence before = world.store().durable_through();
            for (int i = 0; i < 20; ++i)
                world.turn();
            CHECK(world.store().durable_through() == before);
        }
        world.disk().fail_writes(0);
        // The operator restarts the broker, with the power on or not.
        if (world.draw(2) == 0) {
            world.stop();
        } else {
            world.crash();
        }
        world.open();
        world.check();
        world.work(50);
        world.crash();
        world.open();
        world.check();
        REQUIRE(world.violations() == "");
    }
    MESSAGE(frozen << " of " << rounds << " stores froze");
    CHECK(frozen > rounds / 4);
}

TEST_CASE(
    "sim/faults: a full disk is said in time, loses nothing, and service resumes when there is "
    "room") {
    const std::uint64_t seed = seed_of_this_run();
    const int rounds = rounds_of_this_run(30);
    int said = 0;
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(seed);
        CAPTURE(round);
        World world(seed + static_cast<std::uint64_t>(round));
        world.options().reserve_bytes = 2_MiB;
        world.open();
        world.disk().set_capacity(world.disk().bytes_used() + 2_MiB + 300_KiB + world.draw(1_MiB));
        const bool full = appended_until(world, ErrorCode::disk_full);
        CHECK(full);
        // In time: it was the reserve that said no, and not a write.
        CHECK(!world.store().failure());
        // A producer that asks again is answered again; storing what was accepted may have let a
        // few more in.
        while (world.store().congested() && world.alive())
            world.wait_for_news();
        CHECK(appended_until(world, ErrorCode::disk_full));
        if (full) ++said;
        world.check();
        if (world.draw(2) == 0) {
            world.crash();  // and the next life starts on the full disk
            world.open();
            world.check();
        }
        world.disk().set_capacity(SimulatedDisk::kForEver);
        CHECK(appended_until(world, ErrorCode::ok));
        world.work(50);
        world.crash();
        world.open();
        world.check();
        REQUIRE(world.violations() == "");
    }
    CHECK(said == rounds);
}

TEST_CASE("sim/faults: a disk that gets full without a reserve stops the store and loses nothing") {
    const std::uint64_t seed = seed_of_this_run();
    const int rounds = rounds_of_this_run(30);
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(seed);
        CAPTURE(round);
        World world(seed + static_cast<std::uint64_t>(round));
        world.open();
        world.disk().set_capacity(world.disk().bytes_used() + 50_KiB + world.draw(1_MiB));
        world.work(400);
        world.crash();
        world.disk().set_capacity(SimulatedDisk::kForEver);
        world.open();
        world.check();
        REQUIRE(world.violations() == "");
    }
}

TEST_CASE("sim/faults: a slow disk changes nothing but the time") {
    const std::uint64_t seed = seed_of_this_run();
    const int rounds = rounds_of_this_run(20);
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(seed);
        CAPTURE(round);
        World world(seed + static_cast<std::uint64_t>(round));
        world.open();
        for (int life = 0; life < 3; ++life) {
            world.disk().set_write_delay(20, static_cast<unsigned>(21 + world.draw(200)));
            world.work(150);
            world.crash();
            world.open();
            world.check();
        }
        REQUIRE(world.violations() == "");
    }
}
