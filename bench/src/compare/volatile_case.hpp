#pragma once
// The `volatile` case as a plan, the same for all who are asked.
//
// Thread: any.

#include "case.hpp"
#include "volatile_run.hpp"

#include <casc/types/units.hpp>

#include <algorithm>

namespace casc::bench::compare {

[[nodiscard]] inline VolatilePlan volatile_plan_of(const Case& asked) {
    VolatilePlan plan;
    plan.payload_bytes = asked.payload_bytes;
    plan.producer_count = asked.producer_count;
    plan.consumer_count = asked.width;
    plan.duration = asked.duration;
    plan.warm_up = std::min(plan.warm_up, plan.duration);
    // What was tried and is best for one subscriber, which is the default, and for many.
    if (asked.width > 1) plan.window_bytes = 1_MiB;
    return plan;
}

}  // namespace casc::bench::compare
