#pragma once
// How long a history test runs, and with which seed.

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <random>

namespace casc::test {

inline unsigned any_seed() {
    const char* given = std::getenv("CASC_TEST_SEED");
    const unsigned seed =
        given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device{}();
    MESSAGE("seed ", seed, " (CASC_TEST_SEED repeats it)");
    return seed;
}

// CASC_TEST_MINUTES from now on; mostly at once.
inline std::chrono::steady_clock::time_point given_end() {
    const char* minutes = std::getenv("CASC_TEST_MINUTES");
    return std::chrono::steady_clock::now() +
           std::chrono::minutes(minutes != nullptr ? std::atol(minutes) : 0);
}

}  // namespace casc::test
