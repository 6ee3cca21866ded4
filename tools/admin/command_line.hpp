#pragma once
// tools/admin/command_line.hpp: the tree of nouns and verbs, and the reading of one command line.
// Thread: one at a time.

#include "commands.hpp"

#include <memory>

namespace casc::admin {

// The whole command line of casc-admin: what main reads, and what completion and the manual are
// made from.
class CommandLine {
public:
    CommandLine();

    // Reads the arguments. Afterwards there is an action, or else only the returned exit code
    // (0 after --help) and a message has been printed.
    [[nodiscard]] ExitCode parse(int argc, const char* const* argv);
    [[nodiscard]] const Action& action() const noexcept { return commands_.chosen(); }
    [[nodiscard]] const GlobalOptions& options() const noexcept { return *options_; }
    // By flag, else by CASC_OUTPUT, else a table.
    [[nodiscard]] Format format() const;
    [[nodiscard]] CLI::App& app() noexcept { return app_; }

private:
    ExitCode fail(const CLI::ParseError& error, const std::vector<std::string>& arguments);

    std::unique_ptr<GlobalOptions> options_;
    CLI::App app_;
    Commands commands_;
};

// An option that every command understands, before or behind the verb.
struct GlobalOption {
    std::string_view flags;
    std::string_view type;         // empty: a switch
    std::string_view environment;  // the variable that says the same; empty: none
    std::string_view help;
};
[[nodiscard]] const std::vector<GlobalOption>& global_options();

}  // namespace casc::admin
