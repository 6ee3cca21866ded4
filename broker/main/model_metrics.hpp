#pragma once
// model_metrics.hpp: what models that serve this broker have done, for /metrics.

#include <casc/broker/broker.hpp>
#include <casc/inference/model_host.hpp>

#include <vector>

namespace casc::broker {

// Empty without models. Thread: any.
[[nodiscard]] std::vector<MetricFamily> model_metrics(
    const std::vector<inference::ModelMetrics>& models);

}  // namespace casc::broker
