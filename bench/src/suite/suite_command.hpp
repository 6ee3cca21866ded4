#pragma once
// `casc-bench suite`: every figure that casc is judged by, end to end, in one table.
//
// Thread: the main one.

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace casc::bench::suite {

struct SuiteOptions {
    std::uint32_t round_count = 3;
    bool is_full = false;
    bool leaves_out_peers = false;
    std::vector<std::string> steps;  // only these; empty: all
    std::string output = "table";
    std::string data_folder;
    std::vector<std::string> settings;  // of casc's own brokers
};

void add_flags(CLI::App& app, SuiteOptions& options);

// Prints the table. The exit code: 1 when a step has failed or a contestant has in a case, else 0;
// what a bar asks for and is not reached is a figure like the others.
[[nodiscard]] int run(const SuiteOptions& options);

}  // namespace casc::bench::suite
