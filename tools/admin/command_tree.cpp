#include "command_tree.hpp"

#include <algorithm>
#include <map>

namespace casc::admin {

namespace {

OptionText option_text(const CLI::Option& option) {
    OptionText text;
    if (option.get_positional()) {
        text.names.push_back(option.get_name(/*positional=*/true));
    } else {
        for (const std::string& name : option.get_snames())
            text.names.push_back("-" + name);
        for (const std::string& name : option.get_lnames())
            text.names.push_back("--" + name);
    }
    if (option.get_items_expected_max() > 0) text.type = option.get_type_name();
    text.help = option.get_description();
    text.required = option.get_required();
    return text;
}

CommandText command_text(const CLI::App& app, std::vector<std::string> path) {
    CommandText command;
    command.path = std::move(path);
    command.help = app.get_description();
    for (const CLI::Option* option : app.get_options())
        (option->get_positional() ? command.positionals : command.options)
            .push_back(option_text(*option));
    for (const CLI::App* verb : app.get_subcommands({})) {
        auto below = command.path;
        below.push_back(verb->get_name());
        command.verbs.push_back(command_text(*verb, std::move(below)));
    }
    return command;
}

}  // namespace

CommandText command_tree(const CLI::App& root) {
    return command_text(root, {});
}

std::vector<const CommandText*> flattened(const CommandText& tree) {
    std::vector<const CommandText*> all{&tree};
    for (const CommandText& verb : tree.verbs) {
        const auto below = flattened(verb);
        all.insert(all.end(), below.begin(), below.end());
    }
    return all;
}

std::string path_text(const CommandText& command) {
    std::string text;
    for (const std::string& word : command.path)
        text += (text.empty() ? "" : " ") + word;
    return text;
}

std::vector<std::string> accepted_words(const OptionText& option) {
    static const std::map<std::string, std::vector<std::string>> words{
        {"--output", {"table", "json", "jsonl"}},
        {"--lane", {"critical", "high", "normal", "low"}},
        {"--acks", {"none", "memory", "durable"}},
        {"--durability", {"volatile", "memory", "durable"}},
        {"--order", {"arrival", "priority"}},
        {"--on-full", {"drop-oldest", "drop-newest", "conflate", "block"}},
        {"--from", {"beginning", "end"}},
        {"--to", {"earliest", "latest"}},
    };
    for (const std::string& name : option.names)
        if (const auto found = words.find(name); found != words.end()) return found->second;
    // The one option whose meaning depends on the verb: `check --format`.
    if (option.help.starts_with("nagios")) return {"nagios", "json"};
    return {};
}

}  // namespace casc::admin
