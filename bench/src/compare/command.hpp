#pragma once
// `casc-bench compare`: its flags, and what it does.
//
// Thread: the main one.

#include "comparison.hpp"
#include "options.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace casc::bench {
class ScratchFolder;
}

namespace casc::bench::compare {

struct CompareOptions {
    std::vector<std::string> peers;      // empty: all
    std::string kafka_address;           // HOST:PORT; empty: without it
    std::vector<std::string> workloads;  // empty: all
    std::uint32_t round_count = 3;
    std::chrono::nanoseconds duration{};  // of a run; 0: 3 s, with --full 10 s
    bool is_full = false;
    bool is_brief = false;  // one producer, one consumer or sixteen, the usual sizes
    bool syncs = false;
    std::string output = "table";
    std::string chart_folder;
    std::string data_folder;
    std::vector<std::string> settings;  // of casc's own broker
    Options flips;                      // kFlips of it
};

void add_flags(CLI::App& app, CompareOptions& options);

// Runs it, with everybody's data in `folder`. Throws std::runtime_error when the flags leave
// nothing.
[[nodiscard]] Comparison measure(const CompareOptions& options, const ScratchFolder& folder);

// Prints the comparison. The exit code: 1 when a contestant has failed in a case, else 0; who is
// not here has not failed.
[[nodiscard]] int run(const CompareOptions& options);

// Somebody who was there has failed in a case.
[[nodiscard]] bool has_failed(const Comparison& comparison);

}  // namespace casc::bench::compare
