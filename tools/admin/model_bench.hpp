#pragma once
// tools/admin/model_bench.hpp: casc-admin model bench: how fast a model answers, as callers see it.

#include "commands.hpp"

namespace casc::admin {

void add_model_bench(Commands& commands, CLI::App* noun);

}  // namespace casc::admin
