#pragma once
// scenario.hpp: the demo from beginning to end.

#include "screen.hpp"

#include <filesystem>

namespace casc::demo {

// Real records go through a broker that is killed in the middle, to two groups, and everything is
// checked. Every fact is a tick on `screen`. Throws std::runtime_error when the show cannot go on.
// Thread: main.
// `models` is the repository's folder of models; without it the act with the model is left out.
void play(Screen& screen, const std::filesystem::path& models);

}  // namespace casc::demo
