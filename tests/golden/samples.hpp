#pragma once
// What today's encoder makes of each message: one frame per api and direction with every field set,
// and batches of each shape. Each has a golden file of its name.

#include "golden_file.hpp"

#include <string>
#include <vector>

namespace casc::golden {

struct Sample {
    std::string name;  // "produce.request"
    Bytes bytes;
    // Compressed bytes may differ between versions of the LZ4 library; what they open to may not.
    bool bytes_are_ours = true;
};

[[nodiscard]] std::vector<Sample> batch_samples();
[[nodiscard]] std::vector<Sample> topic_samples();  // connection, topics, the node
[[nodiscard]] std::vector<Sample> event_samples();  // producing and reading
[[nodiscard]] std::vector<Sample> group_samples();
[[nodiscard]] std::vector<Sample> queue_samples();
[[nodiscard]] std::vector<Sample> write_samples();  // atomic writes, schedules
[[nodiscard]] std::vector<Sample> request_samples();
[[nodiscard]] std::vector<Sample> tap_samples();
[[nodiscard]] std::vector<Sample> filter_samples();  // patterns, filters
[[nodiscard]] std::vector<Sample> key_samples();     // compacted topics, one event
[[nodiscard]] std::vector<Sample> ring_samples();
[[nodiscard]] std::vector<Sample> all_samples();

}  // namespace casc::golden
