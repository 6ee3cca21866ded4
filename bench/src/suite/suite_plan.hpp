#pragma once
// What a suite runs: workloads of casc-bench, each as one would type it, and a comparison.
//
// Thread: any.

#include "command.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casc::bench::suite {

// One run of a workload. Its report is filed under `name`, one of each round.
struct Step {
    std::string name;
    std::string command;          // "storage --total 2GiB"
    std::uint32_t seconds = 0;    // about, for showing how far it all is
    bool is_once_enough = false;  // a curve, which takes minutes, and not a figure
};

// What stands beside a workload so that its figure is held against the one without.
struct Company {
    std::string_view name;  // "10 000 idle connections"
    std::string_view flag;  // what brings it
};
inline constexpr Company kCompanies[] = {
    {"10 000 idle connections", "--idle-connections 10000"},
    {"100 000 idle topics", "--idle-topics 100000"},
};

// A workload that is measured with and without company.
struct Accompanied {
    std::string_view name;
    std::string_view command;
    bool is_time;  // its median latency counts, and not its rate
};
inline constexpr Accompanied kAccompanied[] = {
    {"durable produce, 100 B", "produce --duration 3s", false},
    {"end to end, median", "e2e --rate 10000 --size 1024 --duration 2s", true},
    {"requests, 64 in flight", "request --in-flight 64 --duration 3s", false},
    {"volatile, 1 to 1", "volatile --passes 1 --duration 3s", false},
};
[[nodiscard]] std::string step_name(const Accompanied& workload, const Company& company);

inline constexpr std::string_view kStorageStep = "storage";
inline constexpr std::string_view kRingStep = "ring";
inline constexpr std::string_view kConsumeStep = "consume";
inline constexpr std::string_view kE2eStep = "e2e";
inline constexpr std::string_view kIngestStep = "volatile ingest";

// `is_full`: larger and longer. `has_extras`: also those that no bar asks for.
[[nodiscard]] std::vector<Step> steps_of(bool is_full, bool has_extras);
// The default selection: what the bars need, one producer and one consumer but for the fan-out.
[[nodiscard]] compare::CompareOptions comparison_of(bool is_full, std::uint32_t round_count);

}  // namespace casc::bench::suite
