#pragma once
// The cases of a run: which sizes, which widths, how many producers.
//
// Thread: any.

#include "case.hpp"
#include "command.hpp"

#include <vector>

namespace casc::bench::compare {

// Throws std::runtime_error when the flags leave nothing.
[[nodiscard]] std::vector<Case> cases_of(const CompareOptions& options);

}  // namespace casc::bench::compare
