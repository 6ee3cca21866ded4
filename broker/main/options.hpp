#pragma once
// options.hpp: the command line of casc-broker. Thread: any (a value).

#include <casc/broker/config.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace casc::broker {

// What the process returns; docs/operations.md lists the same numbers.
enum class ExitCode : int {
    stopped = 0,         // asked to stop, and everything accepted is on disk
    start_failed = 1,    // data folder or address
    usage = 2,           // the command line is wrong
    storage_failed = 3,  // the storage gave up while serving
    bad_config = 78,     // EX_CONFIG of sysexits.h
    interrupted = 130,   // a second signal did not wait for the drain
};

struct Options {
    enum class Action : std::uint8_t { serve, check_config, print_config };
    Action action = Action::serve;
    std::filesystem::path config_file;  // empty: none
    std::filesystem::path ready_file;   // empty: none
    std::vector<Override> overrides;  // the flags that are settings, in the order of their strength
};

// Nothing when the process is done: help or version were printed, or the command line was wrong and
// `exit_code` says so.
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, ExitCode& exit_code);

// The environment of this process as "NAME=value".
[[nodiscard]] std::vector<std::string> environment_entries();

}  // namespace casc::broker
