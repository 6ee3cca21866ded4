#pragma once
// tools/admin/commands.hpp: every noun of casc-admin adds its verbs to the command line.
//
//   CLI::App* verb = noun->add_subcommand("ls", "List the topics");
//   commands.on(verb, [options](Session& session) { ... });
//
// Reading the command line and running what it asks for are two steps, so that nothing has happened
// yet when a mistake is found. Thread: one at a time.

#include "session.hpp"
#include "values.hpp"

#include <casc/types/clock.hpp>

#include <CLI/CLI.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace casc::admin {

class Commands {
public:
    explicit Commands(CLI::App& root) : root_(root) {}

    [[nodiscard]] CLI::App& root() noexcept { return root_; }

    // A noun: something that has verbs, one of which must be given.
    CLI::App* noun(const std::string& name, const std::string& help) {
        CLI::App* app = root_.add_subcommand(name, help);
        app->require_subcommand(1);
        return app;
    }
    // `verb` was on the command line.
    void on(CLI::App* verb, Action action) {
        verb->callback([this, action = std::move(action)] { chosen_ = action; });
    }
    [[nodiscard]] const Action& chosen() const noexcept { return chosen_; }

private:
    CLI::App& root_;
    Action chosen_;
};

// An option whose text is read by one of the parsers in values.hpp; a mistake is a usage error that
// names the option. `into` must live as long as the App, so it is part of what the action holds.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App* app, const std::string& flags, T& into, Parse parse,
                        const std::string& type, const std::string& help) {
    return app
        ->add_option_function<std::string>(
            flags,
            [&into, parse, flags](const std::string& text) {
                auto parsed = parse(text);
                if (!parsed) throw CLI::ValidationError(flags, parsed.error().detail);
                into = std::move(*parsed);
            },
            help)
        ->type_name(type);
}

// May be given several times, and never takes the words behind its value.
template <class T>
CLI::Option* add_repeatable(CLI::App* app, const std::string& flags, std::vector<T>& into,
                            const std::string& type, const std::string& help) {
    return app->add_option(flags, into, help)->type_name(type)->allow_extra_args(false);
}

inline Result<StartPoint> parse_start_point_now(const std::string& text) {
    return parse_start_point(text, wall_now());
}

void add_topic_commands(Commands& commands);
void add_produce_command(Commands& commands);
void add_consume_command(Commands& commands);
void add_tap_command(Commands& commands);
void add_group_commands(Commands& commands);
void add_dlq_commands(Commands& commands);
void add_schedule_commands(Commands& commands);
void add_kv_commands(Commands& commands);
void add_why_command(Commands& commands);
void add_service_commands(Commands& commands);
void add_model_commands(Commands& commands);
void add_infer_commands(Commands& commands);
void add_node_commands(Commands& commands);
void add_check_commands(Commands& commands);
void add_top_command(Commands& commands);
void add_storage_commands(Commands& commands);
void add_context_commands(Commands& commands);
void add_errors_command(Commands& commands);
void add_generate_commands(Commands& commands);
void add_version_command(Commands& commands);

}  // namespace casc::admin
