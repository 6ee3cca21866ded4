#pragma once
// What turns rankings round elsewhere: properties of events, topics and company that a benchmark
// usually leaves out. casc takes each as the flag of that name of its own workload. Of its peers
// all brokers can have idle connections, and get them; of the rest most know nothing, and run as
// they always do.
//
// Thread: any.

#include "options.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace casc::bench::compare {

inline constexpr std::array<std::string_view, 7> kFlips{
    "--keys",        "--partitions",       "--compression",  "--retention-bytes",
    "--idle-topics", "--idle-connections", "--slow-consumer"};

// Those that are set, as one would type them: " --keys 1000 --compression lz4".
[[nodiscard]] std::string flip_flags(const Options& flips);
// The same, of those that are in `known`: what a workload reads.
[[nodiscard]] std::string flip_flags(const Options& flips, std::span<const std::string_view> known);

}  // namespace casc::bench::compare
