#pragma once
// casc/broker/metrics.hpp: what /metrics has. Thread: any.

#include <string>
#include <string_view>
#include <vector>

namespace casc::broker {

// One time series of /metrics. Name and labels follow Prometheus' conventions.
struct MetricSample {
    std::string name;
    std::string labels;  // rendered: topic="orders",lane="high"; empty for none
    double value = 0;
};
struct MetricFamily {
    std::string name;
    std::string help;
    std::string type;  // counter, gauge, histogram, summary
    std::vector<MetricSample> samples;
};

// name="value" with the value escaped, for MetricSample::labels.
[[nodiscard]] std::string prometheus_label(std::string_view name, std::string_view value);

}  // namespace casc::broker
