#pragma once
// Runs a suite's workloads, one at a time, each in a process of its own, so that none finds the
// memory or the threads of another.
//
// Thread: one; the processes die with it.

#include "bars.hpp"
#include "suite_plan.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace casc::bench::suite {

struct SuiteResult {
    std::uint32_t round_count = 0;
    std::string disk;           // what the data was on
    double stolen_seconds = 0;  // of processor time, by the host, meanwhile
    Reports reports;
    std::map<std::string, std::string> troubles;  // by step: why it failed, the first time
    compare::Comparison comparison;
};

// Round by round, so that a machine that changes meanwhile changes all figures alike. Says on
// standard error where it is.
void run_steps(const std::vector<Step>& steps, const std::vector<std::string>& settings,
               const std::filesystem::path& folder, SuiteResult& result);

}  // namespace casc::bench::suite
