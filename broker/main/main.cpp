// casc-broker: reads the configuration and runs one Broker until it is told to stop.

#include "node.hpp"
#include "options.hpp"
#include "signals.hpp"

#include <casc/broker/config.hpp>
#include <casc/broker/logging.hpp>

#include <exception>
#include <iostream>

namespace casc::broker {

namespace {

// One line per mistake: "casc-broker: casc.toml:4:3: unknown key ...".
void print_config_errors(std::string_view lines) {
    while (!lines.empty()) {
        const std::string_view line = lines.substr(0, lines.find('\n'));
        std::cerr << "casc-broker: " << line << '\n';
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    }
}

ExitCode check_config(const LoadedConfig& loaded) {
    for (const EffectiveSetting& setting : loaded.settings) {
        if (setting.origin != Origin::default_)
            std::cout << setting.key << " = " << setting.value << '\n';
    }
    std::cout << "the configuration is good\n";
    return ExitCode::stopped;
}

ExitCode run(int argc, char** argv) {
    ExitCode exit_code = ExitCode::stopped;
    const std::optional<Options> options = parse_options(argc, argv, exit_code);
    if (!options) return exit_code;
    if (options->action == Options::Action::print_config) {
        std::cout << example_config();
        return ExitCode::stopped;
    }
    const Result<LoadedConfig> loaded =
        load_config(options->config_file, environment_entries(), options->overrides);
    if (!loaded) {
        print_config_errors(loaded.error().detail);
        return ExitCode::bad_config;
    }
    if (options->action == Options::Action::check_config) return check_config(*loaded);

    const Config::Log& log = loaded->config.log;
    set_up_logging(parse_log_level(log.level).value(), parse_log_format(log.format).value());
    SignalWaiter signals;
    return Node(signals, *options, *loaded).run();
}

}  // namespace

}  // namespace casc::broker

int main(int argc, char** argv) {
    try {
        return static_cast<int>(casc::broker::run(argc, argv));
    } catch (const std::exception& e) {
        std::cerr << "casc-broker: " << e.what() << '\n';
        return static_cast<int>(casc::broker::ExitCode::start_failed);
    }
}
