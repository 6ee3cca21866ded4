#pragma once
// Loads the topics that a workload is about to read.

#include "load.hpp"
#include "reading.hpp"
#include "report.hpp"
#include "target.hpp"

#include <cstdint>
#include <string>

namespace casc::bench {

// --size and --events, or what they are for workloads that fill first.
[[nodiscard]] std::uint64_t payload_bytes_of(const Options& options);
[[nodiscard]] std::uint64_t event_count_of(const Options& options);

// What a reader must find of a load that has finished.
[[nodiscard]] ReadPlan reading_of(const LoadPlan& plan, const Load& load,
                                  std::uint32_t partition_count);

// Runs a load of so many events to its end, with a progress bar. Throws when an event was not
// acknowledged.
void send_everything(Load& load, std::uint64_t event_count, const std::string& workload);

// Fills topics named after the workload. Returns what a reader must find there; who reads adds who
// it is. Throws when an event was not acknowledged.
[[nodiscard]] ReadPlan fill_topics(const Target& target, const Options& options,
                                   const std::string& workload, Report& report);

}  // namespace casc::bench
