#pragma once
// One step of the `scale` workload: a broker of its own, a load, a restart, and everything read
// back.
//
// Thread: one.

#include "histogram.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "scale_plan.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace casc::bench {

struct ScaleStep {
    std::uint64_t value = 0;
    double events_per_second = 0;
    double bytes_per_second = 0;
    Histogram latency_ns;  // of acknowledgements
    double rss_bytes = 0;  // at the end of the load
    double restart_seconds = 0;
    double rss_bytes_restarted = 0;
    double group_events_per_second = 0;  // over all groups
    CpuSeconds cpu_seconds;
    std::optional<BudgetPerEvent> budget;
    std::uint64_t error_count = 0;
    std::string trouble;

    // Nothing when not one event was timed.
    [[nodiscard]] std::optional<double> latency_us(double percent) const;
    // A hundredth part of them is one at least: without that the 99th percentile is the slowest.
    [[nodiscard]] bool has_samples_to_judge() const { return latency_ns.count() >= 100; }
    [[nodiscard]] boost::json::object to_json(ScaleOver over) const;
};

// `parameters` becomes what the step was measured with. A step that fails has its trouble in it.
[[nodiscard]] ScaleStep measure_step(const Options& options, ScaleOver over, std::uint64_t value,
                                     boost::json::object& parameters, const std::string& title);

}  // namespace casc::bench
