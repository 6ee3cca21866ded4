// casc-bench: how fast casc is on this machine, and how fast the machine would allow.

#include "compare/command.hpp"
#include "host.hpp"
#include "options.hpp"
#include "report.hpp"
#include "workload.hpp"

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
    using namespace casc::bench;
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
    CLI11_PARSE(app, argc, argv);
    if (app.got_subcommand(comparing)) {
        try {
            return compare::run(comparison);
        } catch (const std::exception& error) {
            std::cerr << "casc-bench compare: " << error.what() << '\n';
            return 2;
        }
    }
    for (const Workload& workload : workloads()) {
        if (!app.got_subcommand(std::string(workload.name))) continue;
        try {
            Report report;
            report.workload = workload.name;
            const double stolen_before = stolen_cpu_seconds();
            workload.run(options, report);
            report.stolen_seconds = stolen_cpu_seconds() - stolen_before;
            print(report, options.output);
            return report.error_count == 0 ? 0 : 1;
        } catch (const std::exception& error) {
            std::cerr << "casc-bench " << workload.name << ": " << error.what() << '\n';
            return 2;
        }
    }
    return 2;
}
