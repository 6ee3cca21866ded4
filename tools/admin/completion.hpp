#pragma once
// tools/admin/completion.hpp: completion scripts for the shells, made from the command tree.
// Thread: any (free functions).

#include "command_tree.hpp"

#include <string>

namespace casc::admin {

[[nodiscard]] std::string bash_completion(const CommandText& tree);
[[nodiscard]] std::string zsh_completion(const CommandText& tree);
[[nodiscard]] std::string fish_completion(const CommandText& tree);

}  // namespace casc::admin
