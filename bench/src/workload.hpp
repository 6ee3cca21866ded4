#pragma once
// The table of workloads: each is one file, bench/src/workload_<name>.cpp, with one function.

#include "options.hpp"
#include "report.hpp"

#include <span>
#include <string_view>

namespace casc::bench {

struct Workload {
    std::string_view name;
    std::string_view question;                // what it answers, for --help
    std::span<const std::string_view> flags;  // the shared flags that it reads
    // Measures and fills in `report`, calling print_banner() once its parameters are known. Throws
    // what an operator can act on.
    void (*run)(const Options& options, Report& report);
};

[[nodiscard]] std::span<const Workload> workloads();

}  // namespace casc::bench
