#pragma once
// Several connections that are written to in turn, for a server that handles only so much of each
// at a time.
//
// Thread: as Writer.

#include "roles.hpp"

#include <memory>
#include <vector>

namespace casc::bench::compare {

// Of events sent through it no order is promised between the connections.
[[nodiscard]] std::unique_ptr<Writer> make_spread_writer(
    std::vector<std::unique_ptr<Writer>> writers);

}  // namespace casc::bench::compare
