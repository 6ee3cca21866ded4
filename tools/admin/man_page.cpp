#include "man_page.hpp"

#include "command_line.hpp"

namespace casc::admin {

namespace {

// Text for roff: a leading dot or quote would be a request, a plain hyphen may become a typographic
// one.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
            out += std::string("\\&") + c;
        else
            out += c;
    }
    return out;
}

std::string bold(std::string_view text) {
    return "\\fB" + escaped(text) + "\\fR";
}
std::string italic(std::string_view text) {
    return "\\fI" + escaped(text) + "\\fR";
}

std::string option_entry(const OptionText& option) {
    std::string names;
    for (const std::string& name : option.names)
        names += (names.empty() ? "" : ", ") + bold(name);
    if (!option.type.empty()) names += " " + italic(option.type);
    return ".TP\n" + names + "\n" + escaped(option.help) + "\n";
}

std::string usage(const CommandText& command) {
    std::string line = bold("casc-admin " + path_text(command));
    for (const OptionText& positional : command.positionals)
        line += " " + (positional.required ? italic(positional.names.front())
                                           : "[" + italic(positional.names.front()) + "]");
    if (!command.options.empty()) line += " [" + italic("options") + "]";
    return line;
}

std::string section_of(const CommandText& command) {
    std::string out = ".SS " + usage(command) + "\n" + escaped(command.help) + ".\n";
    for (const OptionText& positional : command.positionals)
        out += ".TP\n" + italic(positional.names.front()) + "\n" + escaped(positional.help) + "\n";
    for (const OptionText& option : command.options)
        if (option.names.back() != "--help") out += option_entry(option);
    return out;
}

std::string environment_section() {
    std::string out = ".SH ENVIRONMENT\nA flag wins over a variable, a variable over a context.\n";
    for (const GlobalOption& option : global_options()) {
        if (option.environment.empty()) continue;
        out += ".TP\n" + bold(option.environment) + "\nAs " +
               bold(option.flags.substr(option.flags.rfind(',') + 1)) + ".\n";
    }
    out += ".TP\n" + bold("CASC_CONFIG_DIR") + "\nWhere contexts.json is kept.\n";
    out += ".TP\n" + bold("NO_COLOR") + "\nWhen set, nothing is coloured.\n";
    return out;
}

constexpr std::string_view kExitStatus =
    ".SH EXIT STATUS\n"
    ".TP\n0\nit was done\n.TP\n1\nit failed\n.TP\n2\nthe command line, or the request it makes, is "
    "wrong\n"
    ".TP\n3\nno connection, or no answer in time\n.TP\n4\nnot allowed\n.TP\n5\nnot found\n"
    ".TP\n6\nconflict: it exists already, it is in use\n.TP\n7\nsome of it was done\n.PP\n"
    "The check commands use those of Nagios: 0 ok, 1 warning, 2 critical, 3 unknown.\n";

constexpr std::string_view kFiles =
    ".SH FILES\n.TP\n~/.config/casc/contexts.json\nThe contexts; readable by their owner only.\n";

}  // namespace

std::string man_page(const CommandText& tree) {
    std::string out = ".TH CASC\\-ADMIN 1 \"\" \"casc " CASC_VERSION "\" \"casc\"\n";
    out += ".SH NAME\ncasc\\-admin \\- look after a casc event broker\n";
    out += ".SH SYNOPSIS\n" + bold("casc-admin") + " [" + italic("global options") + "] " +
           italic("noun") + " [" + italic("verb") + "] [" + italic("options") + "]\n";
    out += ".SH DESCRIPTION\n" + escaped(tree.help) +
           "\n.PP\nData goes to stdout, everything else to stderr.\n";
    out += ".SH GLOBAL OPTIONS\nThey may stand anywhere on the line.\n";
    for (const OptionText& option : tree.options)
        out += option_entry(option);
    out += ".SH COMMANDS\n";
    for (const CommandText* command : flattened(tree))
        if (!command->path.empty() && command->verbs.empty()) out += section_of(*command);
    out += environment_section();
    out += kExitStatus;
    out += kFiles;
    out += ".SH SEE ALSO\n" + bold("casc-broker") + "(1), docs/admin.md\n";
    return out;
}

}  // namespace casc::admin
