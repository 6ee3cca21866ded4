#pragma once
// Members of a queue group at work: they take everything that a Load has had acknowledged, refuse a
// part of it once, settle the rest in random order, and prove that each event was done once and no
// more.
//
// Thread: one; members have threads and connections of their own while it runs.

#include "payload.hpp"
#include "target.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace casc::bench {

struct QueuePlan {
    std::vector<std::string> topics;
    std::size_t payload_bytes = 100;
    std::uint32_t run = 0;                    // of the load
    std::vector<std::uint64_t> acknowledged;  // per producer of the load: its events 0 ... n - 1
    std::uint32_t member_count = 1;
    std::string group;
    std::uint32_t prefetch_events = 16'384;
    std::uint32_t in_hand_events = 1000;  // so many are settled in random order
    std::uint32_t refused_one_in = 100;   // at their first delivery
};

struct QueueOutcome {
    std::uint64_t done_count = 0;
    std::uint64_t refused_count = 0;
    double seconds = 0;  // from joining until the last verdict was durable
    std::uint64_t missing_count = 0;
    std::uint64_t misplaced_count = 0;  // done twice, damaged, nobody's, or refused and not again
    std::string trouble;                // the first thing that went wrong

    [[nodiscard]] std::uint64_t error_count() const {
        return missing_count + misplaced_count + (trouble.empty() ? 0 : 1);
    }
};

[[nodiscard]] QueueOutcome work_off(const Target& target, const QueuePlan& plan);

}  // namespace casc::bench
