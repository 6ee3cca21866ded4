#pragma once
// The rounds of a comparison: in each round every case, in each case every contestant in turn, each
// freshly started and alone on the machine.
//
// Thread: one; the contestants' processes die with it.

#include "comparison.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace casc::bench::compare {

// Who begins changes from round to round. A peer that is not here or does not start is skipped from
// then on; one that fails in a case has no sample for that round.
// `contestants`: casc first.
[[nodiscard]] Comparison run_rounds(const std::vector<std::unique_ptr<Contestant>>& contestants,
                                    const std::vector<Case>& cases, std::uint32_t round_count,
                                    const std::filesystem::path& folder);

}  // namespace casc::bench::compare
