#pragma once
// casc-bench as it is run, to its end.

#include "child_process.hpp"
#include "scratch_folder.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace casc::test {

struct BenchRun {
    int code = -1;
    std::string out;
    std::string log;
};

// With these words, in a folder of its own that has its brokers' data, too.
inline BenchRun run_bench(std::vector<std::string> words,
                          std::vector<std::string> environment = {}) {
    const bench::ScratchFolder folder(std::filesystem::current_path());
    bench::compare::Command command{.name = words.front(),
                                    .program = CASC_BENCH_PATH,
                                    .arguments = std::move(words),
                                    .environment = std::move(environment),
                                    .folder = folder.path()};
    command.arguments.emplace_back("--data-dir");
    command.arguments.push_back(folder.path().string());
    bench::compare::ChildProcess bench(std::move(command));
    BenchRun run;
    run.code = bench.wait(std::chrono::minutes(4));
    run.out = bench.output();
    run.log = bench.log_tail();
    return run;
}

}  // namespace casc::test
