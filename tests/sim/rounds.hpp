#pragma once
// rounds.hpp: lives of a store that end in every way, and the seed that draws them.

#include "store_world.hpp"

#include <cstdint>
#include <string_view>

namespace casc::sim {

// CASC_TEST_SEED, or a new one; printed, so that a run that fails can be run again.
[[nodiscard]] std::uint64_t seed_of_this_run();
// CASC_TEST_ROUNDS, or `otherwise`.
[[nodiscard]] int rounds_of_this_run(int otherwise);

// Works, ends somehow (mostly by a power cut in the middle of something), now and then loses power
// again while it starts, starts, and is checked.
void one_life(World& world);

}  // namespace casc::sim
