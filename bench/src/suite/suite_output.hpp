#pragma once
// A suite's result for people and for scripts.
//
// Thread: any.

#include "suite_steps.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace casc::bench::suite {

// The bars as a table in Markdown, then what the comparison says, and what failed.
[[nodiscard]] std::string table_of(const SuiteResult& result);
// The bars, the report of each round of each step, and the comparison with every sample.
[[nodiscard]] boost::json::object json_of(const SuiteResult& result);

}  // namespace casc::bench::suite
