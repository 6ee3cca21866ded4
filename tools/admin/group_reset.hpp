#pragma once
// tools/admin/group_reset.hpp: moving a group to another place.

#include "commands.hpp"

namespace casc::admin {

void add_group_reset(Commands& commands, CLI::App* group);

}  // namespace casc::admin
