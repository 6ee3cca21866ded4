#pragma once
// tools/admin/infer_stats.hpp: casc-admin infer stats: what models have done since they were
// loaded.

#include "commands.hpp"

namespace casc::admin {

void add_infer_stats(Commands& commands, CLI::App* noun);

}  // namespace casc::admin
