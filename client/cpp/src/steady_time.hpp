#pragma once
// client/src/steady_time.hpp: the clock of deadlines and timers.

#include <chrono>

namespace casc::client {

using SteadyTime = std::chrono::steady_clock::time_point;

}  // namespace casc::client
