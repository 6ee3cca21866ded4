#pragma once
// A comparison for people, for scripts and as pictures.
//
// Thread: any.

#include "comparison.hpp"

#include <boost/json/object.hpp>

#include <filesystem>
#include <string>

namespace casc::bench::compare {

// One table of medians, ratios and guarantees, and below it who was skipped and why.
[[nodiscard]] std::string table_of(const Comparison& comparison);
// Everything: each sample, configuration and version.
[[nodiscard]] boost::json::object json_of(const Comparison& comparison);
// One picture for each workload, a bar for each ratio; returns the files. Throws when one cannot be
// written.
std::vector<std::filesystem::path> write_charts(const Comparison& comparison,
                                                const std::filesystem::path& folder);

}  // namespace casc::bench::compare
