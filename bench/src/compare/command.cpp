#include "command.hpp"

#include "case_list.hpp"
#include "comparison_output.hpp"
#include "flips.hpp"
#include "host.hpp"
#include "interruption.hpp"
#include "open_files.hpp"
#include "peers.hpp"
#include "rounds.hpp"
#include "scratch_folder.hpp"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

// Beside connections: logs, stored files, and what their authors keep in reserve.
constexpr std::uint64_t kFilesOfServers = 8192;

bool is_asked_for(const std::vector<std::string>& names, std::string_view name) {
    return names.empty() || std::ranges::find(names, name) != names.end();
}

std::vector<std::string> peer_names() {
    std::vector<std::string> names;
    for (const Peer& peer : kPeers)
        names.emplace_back(peer.name);
    return names;
}

std::vector<std::string> workload_names() {
    std::vector<std::string> names;
    for (const Question question : kQuestions)
        names.emplace_back(to_string(question));
    return names;
}

}  // namespace

bool has_failed(const Comparison& comparison) {
    for (const CaseResult& result : comparison.cases) {
        for (const Entry& entry : result.entries) {
            if (!entry.trouble.empty()) return true;
        }
    }
    return std::ranges::find(comparison.skipped, "casc", &Skipped::name) !=
           comparison.skipped.end();
}

void add_flags(CLI::App& app, CompareOptions& options) {
    app.add_option("--peers", options.peers, "with whom, as redis,nats; default: all")
        ->delimiter(',')
        ->check(CLI::IsMember(peer_names()));
    app.add_option("--kafka", options.kafka_address,
                   "also with the Kafka (or who speaks its protocol) that runs at HOST:PORT, in "
                   "produce, consume and consume-log");
    app.add_option("--workloads", options.workloads, "in what; default: all")
        ->delimiter(',')
        ->check(CLI::IsMember(workload_names()));
    app.add_option("--rounds", options.round_count, "how often each has its turn")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option_function<double>(
           "--seconds",
           [&options](const double seconds) {
               options.duration =
                   std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
           },
           "what is measured in one turn; default: 3, with --full 10, with "
           "--brief 2")
        ->check(CLI::Range(0.1, 3600.0));
    app.add_flag("--full", options.is_full,
                 "more sizes up to 64 KiB, 16 producers at each of them, and longer");
    app.add_flag(
           "--brief", options.is_brief,
           "less: no queue, consume-log and e2e-fsync, one producer, one consumer or sixteen, "
           "and 2 s")
        ->excludes("--full");
    app.add_flag(
        "--sync", options.syncs,
        "only what is on the disk: leaves out produce and e2e as peers do them by default");
    app.add_option("-o,--output", options.output, "table, or json: one object with every sample")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    app.add_option("--svg", options.chart_folder, "also draws the ratios into this folder");
    app.add_option("--data-dir", options.data_folder,
                   "where all of them keep their data; default: $TMPDIR, or here");
    app.add_option("--set", options.settings,
                   "a setting of casc's broker, as limits.connections=5; may be repeated")
        ->allow_extra_args(false);
    for (const std::string_view flip : kFlips) {
        add_flag(app, options.flips, flip);
        app.get_option(std::string(flip))
            ->group(
                "What turns rankings round, in every workload of casc that has it; idle "
                "connections beside every broker");
    }
}

Comparison measure(const CompareOptions& options, const ScratchFolder& folder) {
    const std::vector<Case> cases = cases_of(options);
    std::vector<std::unique_ptr<Contestant>> contestants;
    contestants.push_back(make_casc(options.settings, options.flips));
    contestants.push_back(make_casc_memory(options.settings, options.flips));
    for (const Peer& peer : kPeers) {
        if (is_asked_for(options.peers, peer.name)) contestants.push_back(peer.make());
    }
    if (!options.kafka_address.empty()) contestants.push_back(make_kafka(options.kafka_address));
    if (const std::uint64_t idle = options.flips.idle_connection_count; idle > 0)
        require_open_files(idle + kFilesBesideConnections, idle + kFilesOfServers);
    const double stolen_before = stolen_cpu_seconds();
    Comparison comparison = run_rounds(contestants, cases, options.round_count, folder.path());
    comparison.stolen_seconds = stolen_cpu_seconds() - stolen_before;
    comparison.disk = folder.description();
    comparison.flips = flip_flags(options.flips);
    return comparison;
}

int run(const CompareOptions& options) {
    // Servers work in folders of their own, where a relative path would lead elsewhere.
    const ScratchFolder folder(options.data_folder.empty()
                                   ? std::filesystem::path()
                                   : std::filesystem::absolute(options.data_folder));
    const Interruption interruption(folder.path());
    const Comparison comparison = measure(options, folder);
    if (options.output == "json")
        std::cout << boost::json::serialize(json_of(comparison)) << std::endl;
    else
        std::cout << table_of(comparison);
    if (!options.chart_folder.empty()) {
        for (const auto& file : write_charts(comparison, options.chart_folder))
            std::cerr << "wrote " << file.string() << '\n';
    }
    return has_failed(comparison) ? 1 : 0;
}

}  // namespace casc::bench::compare
