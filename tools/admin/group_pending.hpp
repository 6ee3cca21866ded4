#pragma once
// tools/admin/group_pending.hpp: casc-admin group pending.

#include "commands.hpp"

namespace casc::admin {

void add_group_pending(Commands& commands, CLI::App* group);

}  // namespace casc::admin
