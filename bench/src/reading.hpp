#pragma once
// Reads everything that a Load has had acknowledged, and proves that it is all there: each event
// once, in order.
//
// Thread: one; consumers have threads and connections of their own while it runs.

#include "payload.hpp"
#include "target.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace casc::bench {

struct ReadPlan {
    std::vector<std::string> topics;
    std::uint32_t partition_count = 1;
    Lane lane = Lane::normal;
    std::size_t payload_bytes = 100;
    std::uint32_t run = 0;                    // of the load
    std::vector<std::uint64_t> acknowledged;  // per producer of the load: its events 0 ... n - 1
    bool only_some_acknowledged =
        false;  // some had failed, so that only the number can be held against them
    bool retained_tail_only =
        false;  // retention has taken the older ones: what is left must be the newest
    std::uint32_t consumer_count = 1;
    std::string group;  // committing every second; empty: every log from its start, no positions
};

struct ReadOutcome {
    std::uint64_t event_count = 0;
    std::uint64_t payload_bytes = 0;
    double seconds = 0;           // from asking until the last event was in hand
    double seconds_to_first = 0;  // of those, until the first one: joining the group, mostly
    std::uint64_t missing_count = 0;
    std::uint64_t misplaced_count = 0;  // doubled, out of order, damaged, or nobody's
    std::string trouble;                // the first thing that went wrong

    [[nodiscard]] std::uint64_t error_count() const {
        return missing_count + misplaced_count + (trouble.empty() ? 0 : 1);
    }
};

[[nodiscard]] ReadOutcome read_all(const Target& target, const ReadPlan& plan);

}  // namespace casc::bench
