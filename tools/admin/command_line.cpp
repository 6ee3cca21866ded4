#include "command_line.hpp"

#include "suggestion.hpp"

#include <cstdlib>
#include <iostream>

namespace casc::admin {

namespace {

constexpr const char* kDescription =
    "casc-admin: looks after a casc broker: topics, events, consumer groups, health, backups.";

constexpr const char* kFooter =
    "Data goes to stdout, everything else to stderr. Times read 2026-01-31T10:20:30Z, now or -1h; "
    "durations 250ms,\n"
    "5s, 7d; sizes 64KiB, 10GiB.\n"
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 cannot connect or timeout, 4 not allowed, 5 not found, "
    "6 conflict,\n"
    "7 done in part; `check` has those of Nagios: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
    "Begin with: casc-admin topic create demo && echo hello | casc-admin produce demo && "
    "casc-admin "
    "consume demo";

Result<std::string> parse_format(const std::string& text) {
    if (text == "table" || text == "json" || text == "jsonl") return text;
    return Error(ErrorCode::invalid_request, "'" + text + "' is not table, json or jsonl");
}

Format format_of(std::string_view text) {
    return text == "json" ? Format::json : text == "jsonl" ? Format::jsonl : Format::table;
}

void add_global_options(CLI::App& app, GlobalOptions& into) {
    const auto help = [](std::size_t index) {
        const GlobalOption& option = global_options()[index];
        return std::string(option.help) +
               (option.environment.empty() ? "" : " [$" + std::string(option.environment) + "]");
    };
    const auto flags = [](std::size_t index) { return std::string(global_options()[index].flags); };
    add_repeatable(&app, flags(0), into.endpoints, "ADDRESS", help(0));
    app.add_option(flags(1), into.context, help(1))->type_name("NAME");
    add_parsed(&app, flags(2), into.output, parse_format, "FORMAT", help(2));
    add_parsed(&app, flags(3), into.timeout, parse_duration, "DURATION", help(3));
    app.add_flag(flags(4), into.quiet, help(4));
    app.add_flag(flags(5), into.yes, help(5));
    app.add_flag(flags(6), into.no_input, help(6));
    for (CLI::Option* option : app.get_options()) {
        if (option->get_name() != "--help") option->group("Global options");
    }
}

std::vector<std::string> names_of_verbs(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* verb : app.get_subcommands({}))
        names.push_back(verb->get_name());
    return names;
}

std::vector<std::string> names_of_options(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
        for (const CLI::Option* option : at->get_options()) {
            for (const std::string& name : option->get_lnames())
                names.push_back("--" + name);
        }
    }
    return names;
}

const CLI::App* verb_named(const CLI::App& app, const std::string& name) {
    for (const CLI::App* verb : app.get_subcommands({}))
        if (verb->get_name() == name) return verb;
    return nullptr;
}

// How far the words lead down the tree, and the first word that leads nowhere.
struct Reached {
    const CLI::App* app;
    std::string stranger;
};

Reached walk(const CLI::App& root, const std::vector<std::string>& arguments) {
    Reached reached{&root, {}};
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (word.starts_with('-')) {
            const CLI::Option* option = root.get_option_no_throw(word.substr(0, word.find('=')));
            if (option != nullptr && option->get_items_expected_min() > 0 &&
                word.find('=') == std::string::npos)
                ++i;  // its value
            continue;
        }
        if (reached.app->get_subcommands({}).empty()) break;
        const CLI::App* next = verb_named(*reached.app, word);
        if (next == nullptr) {
            reached.stranger = word;
            break;
        }
        reached.app = next;
    }
    return reached;
}

std::string path_of(const CLI::App* app) {
    std::string path;
    for (; app != nullptr; app = app->get_parent())
        path = app->get_name() + (path.empty() ? "" : " ") + path;
    return path;
}

std::string comma_joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

// The error as somebody who mistyped wants to read it, and what to do.
std::pair<std::string, std::string> explain(const CLI::App& root, const CLI::ParseError& error,
                                            const std::vector<std::string>& arguments) {
    const Reached reached = walk(root, arguments);
    const std::string path = path_of(reached.app);
    std::string hint = path + " --help";
    if (!reached.stranger.empty()) {
        const auto known = names_of_verbs(*reached.app);
        const std::string near = nearest(reached.stranger, known);
        if (!near.empty()) hint = "did you mean '" + path + " " + near + "'?";
        return {"'" + reached.stranger + "' is not a command of " + path +
                    "; there are: " + comma_joined(known),
                hint};
    }
    if (!reached.app->get_subcommands({}).empty())
        return {path + " needs one of: " + comma_joined(names_of_verbs(*reached.app)), hint};
    for (const std::string& word : arguments) {
        const std::string name = word.substr(0, word.find('='));
        const auto known = names_of_options(*reached.app);
        if (!name.starts_with("--") || name == "--" ||
            std::find(known.begin(), known.end(), name) != known.end())
            continue;
        const std::string near = nearest(name, known);
        if (!near.empty()) hint = "did you mean " + near + "?";
        return {"'" + name + "' is not an option of " + path, hint};
    }
    return {error.what(), hint};
}

}  // namespace

const std::vector<GlobalOption>& global_options() {
    static const std::vector<GlobalOption> options{
        {"--endpoint", "ADDRESS", "CASC_ENDPOINT",
         "Broker: host:port, unix:///path or shm:///path; may be repeated, tried in order"},
        {"--context", "NAME", "CASC_CONTEXT", "Use the settings of that context"},
        {"-o,--output", "FORMAT", "CASC_OUTPUT", "table, json (indented) or jsonl (a line each)"},
        {"--timeout", "DURATION", "CASC_TIMEOUT", "How long to wait for the broker (default 10s)"},
        {"-q,--quiet", "", "", "No remarks on stderr, only errors"},
        {"-y,--yes", "", "", "Do not ask before something is destroyed"},
        {"--no-input", "", "", "Never ask; fail where a question would be needed"}};
    return options;
}

CommandLine::CommandLine()
    : options_(std::make_unique<GlobalOptions>()),
      app_(kDescription, "casc-admin"),
      commands_(app_) {
    app_.footer(kFooter);
    app_.require_subcommand(1);
    // Global options are understood behind the verb too.
    app_.fallthrough();
    add_global_options(app_, *options_);
    add_topic_commands(commands_);
    add_produce_command(commands_);
    add_consume_command(commands_);
    add_tap_command(commands_);
    add_group_commands(commands_);
    add_dlq_commands(commands_);
    add_schedule_commands(commands_);
    add_kv_commands(commands_);
    add_why_command(commands_);
    add_service_commands(commands_);
    add_model_commands(commands_);
    add_infer_commands(commands_);
    add_node_commands(commands_);
    add_check_commands(commands_);
    add_top_command(commands_);
    add_storage_commands(commands_);
    add_context_commands(commands_);
    add_errors_command(commands_);
    add_generate_commands(commands_);
    add_version_command(commands_);
}

Format CommandLine::format() const {
    if (!options_->output.empty()) return format_of(options_->output);
    const char* variable = std::getenv("CASC_OUTPUT");
    return format_of(variable == nullptr ? "" : variable);
}

ExitCode CommandLine::parse(int argc, const char* const* argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    try {
        app_.parse(argc, argv);
        return ExitCode::ok;
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help
            app_.exit(error, std::cout, std::cerr);
            return ExitCode::ok;
        }
        return fail(error, arguments);
    }
}

ExitCode CommandLine::fail(const CLI::ParseError& error,
                           const std::vector<std::string>& arguments) {
    // The format may stand behind the mistake, where the parser has not come to.
    std::string format = options_->output;
    for (std::size_t i = 0; i < arguments.size() && format.empty(); ++i) {
        const std::string& word = arguments[i];
        if ((word == "-o" || word == "--output") && i + 1 < arguments.size())
            format = arguments[i + 1];
        else if (word.starts_with("--output="))
            format = word.substr(9);
        else if (word.starts_with("-o") && word.size() > 2)
            format = word.substr(2);
    }
    options_->output = format;
    const auto [what, hint] = explain(app_, error, arguments);
    return Output(this->format(), false)
        .fail(Error(ErrorCode::invalid_request, what), ExitCode::usage, hint);
}

}  // namespace casc::admin
