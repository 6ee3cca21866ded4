#include "suite_command.hpp"

#include "bars.hpp"
#include "command.hpp"
#include "host.hpp"
#include "interruption.hpp"
#include "scratch_folder.hpp"
#include "suite_output.hpp"
#include "suite_plan.hpp"
#include "suite_steps.hpp"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>

namespace casc::bench::suite {
namespace {

std::vector<std::string> step_names() {
    std::vector<std::string> names;
    for (const Step& step : steps_of(false, true))
        names.push_back(step.name);
    return names;
}

std::vector<Step> wanted_steps(const SuiteOptions& options) {
    std::vector<Step> steps = steps_of(options.is_full, options.is_full || !options.steps.empty());
    std::erase_if(steps, [&](const Step& step) {
        return !options.steps.empty() &&
               std::ranges::find(options.steps, step.name) == options.steps.end();
    });
    return steps;
}

}  // namespace

void add_flags(CLI::App& app, SuiteOptions& options) {
    app.add_option("--rounds", options.round_count, "how often each figure is measured")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_flag("--full", options.is_full,
                 "everything: more sizes and longer, the scale curves, codec, queue, filter, "
                 "priority, topics; hours");
    app.add_flag("--no-peers", options.leaves_out_peers,
                 "leaves out the comparison with Redis, NATS, RabbitMQ and ZeroMQ");
    app.add_option("--only", options.steps,
                   "this step; may be repeated. The comparison stays unless --no-peers")
        ->allow_extra_args(false)
        ->check(CLI::IsMember(step_names()));
    app.add_option("-o,--output", options.output, "table, or json: one object with every report")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    app.add_option("--data-dir", options.data_folder,
                   "where brokers keep their data; default: $TMPDIR, or here");
    app.add_option("--set", options.settings,
                   "a setting of casc's brokers, as limits.connections=5; may be repeated")
        ->allow_extra_args(false);
}

int run(const SuiteOptions& options) {
    const ScratchFolder folder(options.data_folder.empty()
                                   ? std::filesystem::path()
                                   : std::filesystem::absolute(options.data_folder));
    const compare::Interruption interruption(folder.path());
    const double stolen_before = stolen_cpu_seconds();
    SuiteResult result;
    result.disk = folder.description();
    result.round_count = options.round_count;
    run_steps(wanted_steps(options), options.settings, folder.path(), result);
    if (!options.leaves_out_peers) {
        auto comparing = comparison_of(options.is_full, options.round_count);
        comparing.settings = options.settings;
        try {
            result.comparison = compare::measure(comparing, folder);
        } catch (const std::exception& error) {
            // What was measured before is shown all the same.
            result.troubles.emplace("compare", error.what());
        }
    }
    result.stolen_seconds = stolen_cpu_seconds() - stolen_before;
    if (options.output == "json")
        std::cout << boost::json::serialize(json_of(result)) << std::endl;
    else
        std::cout << table_of(result);
    return result.troubles.empty() && !compare::has_failed(result.comparison) ? 0 : 1;
}

}  // namespace casc::bench::suite
