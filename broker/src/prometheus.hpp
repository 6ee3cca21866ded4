#pragma once
// prometheus.hpp: metrics in Prometheus' text format 0.0.4. Thread: any.

#include <casc/broker/metrics.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace casc::broker {

inline constexpr std::string_view kPrometheusContentType =
    "text/plain; version=0.0.4; charset=utf-8";

// One block per family: # HELP, # TYPE, then its samples. A family without samples is left out.
[[nodiscard]] std::string render_prometheus(const std::vector<MetricFamily>& families);

// A family of one sample without labels.
[[nodiscard]] MetricFamily single_metric(std::string name, std::string help, std::string type,
                                         double value);

// The standard process_* families of this process, from /proc.
[[nodiscard]] std::vector<MetricFamily> process_metrics();

}  // namespace casc::broker
