#pragma once
// scenario.hpp: the demo from beginning to end.

#include "screen.hpp"

namespace casc::demo {

// Real records go through a broker that is killed in the middle, to two groups, and everything is
// checked. Every fact is a tick on `screen`. Throws std::runtime_error when the show cannot go on.
// Thread: main.
void play(Screen& screen);

}  // namespace casc::demo
