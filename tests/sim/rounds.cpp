#include "rounds.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

namespace casc::sim {

std::uint64_t seed_of_this_run() {
    const char* given = std::getenv("CASC_TEST_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    MESSAGE("seed "
            << seed
            << " (CASC_TEST_SEED repeats it, but for what the store's own threads do in between)");
    return seed;
}

int rounds_of_this_run(int otherwise) {
    const char* given = std::getenv("CASC_TEST_ROUNDS");
    return given != nullptr ? std::atoi(given) : otherwise;
}

void one_life(World& world) {
    const auto fate = world.draw(20);
    const int steps = static_cast<int>(20 + world.draw(250));
    if (fate < 13) world.disk().cut_power_after(1 + world.draw(400));
    world.work(steps);
    if (fate < 17 || !world.alive()) {
        world.crash();
    } else if (fate < 19) {
        world.stop();
    } else {
        world.stop_orderly();
    }
    while (world.draw(4) == 0) {
        world.disk().cut_power_after(1 + world.draw(80));
        static_cast<void>(world.try_open());
        world.crash();
    }
    world.open();
    world.check();
}

}  // namespace casc::sim
