#pragma once
// tools/admin/dlq_replay.hpp: casc-admin dlq replay.

#include "commands.hpp"

namespace casc::admin {

void add_dlq_replay(Commands& commands, CLI::App* dlq);

}  // namespace casc::admin
