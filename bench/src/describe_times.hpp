#pragma once
// Times as they stand in a report, in microseconds.

#include "histogram.hpp"

#include <boost/json.hpp>

namespace casc::bench {

// Thread: any.
[[nodiscard]] inline boost::json::object describe(const Histogram& times) {
    const auto us = [&](double percent) {
        return static_cast<double>(times.percentile(percent)) / 1000;
    };
    return {{"p50", us(50)},
            {"p90", us(90)},
            {"p99", us(99)},
            {"p999", us(99.9)},
            {"max", static_cast<double>(times.max()) / 1000}};
}

}  // namespace casc::bench
