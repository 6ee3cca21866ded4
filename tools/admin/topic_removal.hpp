#pragma once
// tools/admin/topic_removal.hpp: the two verbs of `topic` that destroy events.

#include "commands.hpp"

namespace casc::admin {

void add_topic_removal(Commands& commands, CLI::App* topic);

}  // namespace casc::admin
