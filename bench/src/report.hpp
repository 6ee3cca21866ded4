#pragma once
// What a run found out, for people and for scripts.

#include "event_costs.hpp"
#include "histogram.hpp"
#include "options.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace casc::bench {

// The fastest that this machine could have been, measured in the same run: a raw disk, a memcpy,
// the best peer.
struct Limit {
    std::string name;
    std::optional<double> events_per_second;
    std::optional<double> bytes_per_second;
    std::optional<double> latency_us;
};

struct CpuSeconds {
    double client = 0;
    double broker = 0;
};

// Raw numbers only; the rounding is done when it is printed.
struct Report {
    std::string workload;
    boost::json::object parameters;  // everything that the numbers depend on, defaults included
    double events_per_second = 0;
    double bytes_per_second = 0;
    Histogram latency_ns;  // printed only when something was recorded
    std::uint64_t error_count = 0;
    Limit limit;
    double share_of_limit = 0;        // 1 is the limit itself
    std::uint64_t rss_bytes_max = 0;  // of the process that does the work: the broker's, else ours
    CpuSeconds cpu_seconds;
    std::optional<BudgetPerEvent> budget;  // of workloads that talk to a broker
    double stolen_seconds = 0;             // of processor time, by the host, during the whole run
    std::string table;  // what there is to be seen at the end, in text instead of the details
    boost::json::object details;  // what is particular to the workload
};

// The parameters, one per line, before the run. On standard error, so that -o json stays one
// object.
void print_banner(const Report& report);
void print(const Report& report, Output output);

}  // namespace casc::bench
