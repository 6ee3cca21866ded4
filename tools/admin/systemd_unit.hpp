#pragma once
// tools/admin/systemd_unit.hpp: the unit of ops/casc-broker.service.in, compiled in.
// Thread: any (free functions).

#include <string>

namespace casc::admin {

// `bin`: the folder of casc-broker; `user` owns the data and runs it.
[[nodiscard]] std::string systemd_unit(const std::string& bin, const std::string& user);

}  // namespace casc::admin
