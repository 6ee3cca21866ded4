#include "options.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <unistd.h>

namespace casc::broker {

namespace {

constexpr const char* kDescription =
    "casc-broker: a durable event broker in one process.\n"
    "Without flags it listens on 127.0.0.1:7440 (clients) and 127.0.0.1:7441 (metrics, health) and "
    "keeps its data in\n"
    "./casc-data. SIGTERM and SIGINT drain and stop; SIGHUP reads the configuration file again.";

constexpr const char* kFooter =
    "Every setting: casc-broker --print-config. Later wins: defaults, file, CASC_SECTION__KEY "
    "variables, flags.\n"
    "Exit codes: 0 stopped on request, 1 start failed, 2 usage, 3 storage failed while serving, 78 "
    "bad\n"
    "configuration, 130 stopped by a second signal before the drain was complete.";

// "key=value" as an override; CLI11 reports the exception like any other mistake on the command
// line.
Override split_setting(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw CLI::ValidationError("--set", "needs section.key=value, not '" + text + "'");
    }
    return {text.substr(0, equals), text.substr(equals + 1)};
}

// A list is one override; addresses have no commas, except in the oddest of paths.
std::string joined(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items)
        text += (text.empty() ? "" : ",") + item;
    return text;
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, ExitCode& exit_code) {
    Options options;
    std::string data;
    std::string http;
    std::vector<std::string> listen;
    std::vector<std::string> settings;
    bool insecure = false;
    bool check = false;
    bool print = false;

    CLI::App app(kDescription, "casc-broker");
    app.footer(kFooter);
    app.set_version_flag("--version", "casc-broker " CASC_VERSION);
    app.add_option("-c,--config", options.config_file, "Configuration file (TOML)")
        ->type_name("FILE");
    app.add_option("--data", data, "Data folder (node.data_directory)")->type_name("DIR");
    app.add_option("--listen", listen,
                   "Address for clients: host:port or unix:///path; may be repeated")
        ->type_name("ADDRESS")
        ->allow_extra_args(false);
    app.add_option("--http", http, "Address of metrics and health; '' switches it off")
        ->type_name("ADDRESS");
    app.add_flag("--insecure", insecure,
                 "Allow addresses that other machines reach; there is no authentication yet");
    app.add_option("--set", settings,
                   "Any other setting: --set limits.connections=500; may be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    app.add_option("--ready-file", options.ready_file,
                   "Write the addresses to FILE once the broker serves")
        ->type_name("FILE");
    CLI::Option* check_flag =
        app.add_flag("--check-config", check, "Say whether the configuration is good, and exit");
    app.add_flag("--print-config", print, "Print a commented example file, and exit")
        ->excludes(check_flag);
    try {
        app.parse(argc, argv);
        if (!data.empty()) options.overrides.push_back({"node.data_directory", data});
        if (!listen.empty()) options.overrides.push_back({"listen.endpoints", joined(listen)});
        if (app.count("--http") > 0) options.overrides.push_back({"listen.http", http});
        if (insecure) options.overrides.push_back({"listen.insecure", "true"});
        for (const std::string& setting : settings)
            options.overrides.push_back(split_setting(setting));
    } catch (const CLI::ParseError& e) {
        exit_code = app.exit(e, std::cout, std::cerr) == 0 ? ExitCode::stopped : ExitCode::usage;
        return std::nullopt;
    }
    if (check) options.action = Options::Action::check_config;
    if (print) options.action = Options::Action::print_config;
    return options;
}

std::vector<std::string> environment_entries() {
    std::vector<std::string> entries;
    for (char** entry = ::environ; *entry != nullptr; ++entry)
        entries.emplace_back(*entry);
    return entries;
}

}  // namespace casc::broker
