#pragma once
// tools/admin/command_tree.hpp: the command line as data, for completion scripts and the manual,
// which therefore know every verb and option that the program knows. Thread: any (values).

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace casc::admin {

struct OptionText {
    std::vector<std::string> names;  // "-p", "--partitions"
    std::string type;                // empty: a switch
    std::string help;
    bool required = false;
};

struct CommandText {
    std::vector<std::string> path;  // {"topic", "create"}; empty for the program itself
    std::string help;
    std::vector<OptionText> options;
    std::vector<OptionText> positionals;  // one name each
    std::vector<CommandText> verbs;
};

[[nodiscard]] CommandText command_tree(const CLI::App& root);

// The command and everything below it, parents first.
[[nodiscard]] std::vector<const CommandText*> flattened(const CommandText& tree);

// "topic create"
[[nodiscard]] std::string path_text(const CommandText& command);

// Words that an option is known to accept, for completion; empty: anything.
[[nodiscard]] std::vector<std::string> accepted_words(const OptionText& option);

}  // namespace casc::admin
