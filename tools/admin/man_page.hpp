#pragma once
// tools/admin/man_page.hpp: casc-admin(1), made from the command tree.
// Thread: any (free functions).

#include "command_tree.hpp"

#include <string>

namespace casc::admin {

[[nodiscard]] std::string man_page(const CommandText& tree);

}  // namespace casc::admin
