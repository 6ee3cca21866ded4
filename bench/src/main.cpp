// casc-bench: how fast casc is on this machine, and how fast the machine would allow.

#include "compare/command.hpp"
#include "host.hpp"
#include "options.hpp"
#include "report.hpp"
#include "suite_command.hpp"
#include "workload.hpp"

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>
#include <string>

namespace {

using namespace casc::bench;

// The exit code of `command`; 2 when it could not do what it was asked for.
template <class Command>
int guarded(std::string_view name, const Command& command) {
    try {
        return command();
    } catch (const std::exception& error) {
        std::cerr << "casc-bench " << name << ": " << error.what() << '\n';
        return 2;
    }
}

int run(const Workload& workload, const Options& options) {
    Report report;
    report.workload = workload.name;
    const double stolen_before = stolen_cpu_seconds();
    workload.run(options, report);
    report.stolen_seconds = stolen_cpu_seconds() - stolen_before;
    print(report, options.output);
    return report.error_count == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Measures casc, and in the same run what limits it.\n"
        "Every workload prints its parameters, its result, the limit and the share of it that was "
        "reached.");
    app.require_subcommand(1);
    Options options;
    for (const Workload& workload : workloads()) {
        auto* command =
            app.add_subcommand(std::string(workload.name), std::string(workload.question));
        add_flags(*command, options, workload.flags);
    }
    auto* comparing = app.add_subcommand(
        "compare", "How fast is casc beside Redis, NATS, RabbitMQ and ZeroMQ, in turn with them?");
    compare::CompareOptions comparison;
    compare::add_flags(*comparing, comparison);
    auto* all = app.add_subcommand(
        "suite", "All that casc is judged by, end to end, in one table: about half an hour");
    suite::SuiteOptions everything;
    suite::add_flags(*all, everything);
    CLI11_PARSE(app, argc, argv);
    if (app.got_subcommand(comparing))
        return guarded("compare", [&] { return compare::run(comparison); });
    if (app.got_subcommand(all)) return guarded("suite", [&] { return suite::run(everything); });
    for (const Workload& workload : workloads()) {
        if (!app.got_subcommand(std::string(workload.name))) continue;
        return guarded(workload.name, [&] { return run(workload, options); });
    }
    return 2;
}
