#pragma once
// What a run has measured, as the table wants it.
//
// Thread: any.

#include "case.hpp"
#include "histogram.hpp"

namespace casc::bench::compare {

[[nodiscard]] inline Sample timed_sample(double events_per_second, const Histogram& latency_ns) {
    return {events_per_second, static_cast<double>(latency_ns.percentile(50)) / 1e3,
            static_cast<double>(latency_ns.percentile(99)) / 1e3};
}

}  // namespace casc::bench::compare
