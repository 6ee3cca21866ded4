#include "completion.hpp"

#include <algorithm>

namespace casc::admin {

namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between = " ") {
    std::string text;
    for (const std::string& word : words)
        text.append(text.empty() ? "" : between).append(word);
    return text;
}

std::vector<std::string> verbs_of(const CommandText& command) {
    std::vector<std::string> names;
    for (const CommandText& verb : command.verbs)
        names.push_back(verb.path.back());
    return names;
}

// Those of the command and, since they are understood everywhere, those of the program.
std::vector<const OptionText*> options_of(const CommandText& tree, const CommandText& command) {
    std::vector<const OptionText*> options;
    for (const OptionText& option : command.options)
        options.push_back(&option);
    if (!command.path.empty())
        for (const OptionText& option : tree.options)
            if (option.names.back() != "--help") options.push_back(&option);
    return options;
}

// Every option that takes a value, over all commands; as a shell pattern "--lane|--acks|-p".
std::string options_with_value(const CommandText& tree, std::string_view between = "|") {
    std::vector<std::string> names;
    for (const CommandText* command : flattened(tree))
        for (const OptionText& option : command->options)
            if (!option.type.empty())
                for (const std::string& name : option.names)
                    if (std::find(names.begin(), names.end(), name) == names.end())
                        names.push_back(name);
    return joined(names, between);
}

// Inside single quotes.
std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text)
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string first_sentence(const std::string& help) {
    return help.substr(0, help.find('\n'));
}

// `case` arms that turn a path into the words that may follow it.
std::string word_table(const CommandText& tree) {
    std::string table;
    for (const CommandText* command : flattened(tree)) {
        std::vector<std::string> options;
        for (const OptionText* option : options_of(tree, *command))
            options.insert(options.end(), option->names.begin(), option->names.end());
        table += "        " + shell_quoted(path_text(*command)) +
                 ")\n            verbs=" + shell_quoted(joined(verbs_of(*command))) +
                 "\n            options=" + shell_quoted(joined(options)) + " ;;\n";
    }
    return table;
}

// `case` arms that turn an option into the words that it accepts. -o is the only short one with
// words.
std::string value_table(const CommandText& tree) {
    std::vector<std::string> seen;
    std::string table;
    for (const CommandText* command : flattened(tree)) {
        for (const OptionText& option : command->options) {
            const auto words = accepted_words(option);
            const std::string names = joined(option.names, "|");
            if (words.empty() || std::find(seen.begin(), seen.end(), names) != seen.end()) continue;
            seen.push_back(names);
            table += "        " + names + ") values=" + shell_quoted(joined(words)) + " ;;\n";
        }
    }
    return table;
}

}  // namespace

std::string bash_completion(const CommandText& tree) {
    return "# bash completion for casc-admin.  source <(casc-admin generate completion bash)\n"
           "_casc_admin() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local path='' verbs options values='' word i\n"
           "    case $previous in\n" +
           value_table(tree) +
           "    esac\n"
           "    if [ -n \"$values\" ]; then\n"
           "        COMPREPLY=($(compgen -W \"$values\" -- \"$current\")); return\n"
           "    fi\n"
           "    case $previous in\n"
           "        " +
           options_with_value(tree) +
           ") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
           "    esac\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        word=${COMP_WORDS[i]}\n"
           "        case $word in\n"
           "            " +
           options_with_value(tree) +
           ") ((i++)) ;;\n"
           "            -*) ;;\n"
           "            *) _casc_admin_words \"${path:+$path }$word\" && path=\"${path:+$path "
           "}$word\" ;;\n"
           "        esac\n"
           "    done\n"
           "    _casc_admin_words \"$path\"\n"
           "    case $current in\n"
           "        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
           "        *) COMPREPLY=($(compgen -W \"$verbs\" -- \"$current\")) ;;\n"
           "    esac\n"
           "}\n"
           "# Sets verbs and options to what may follow a path; fails when there is no such "
           "command.\n"
           "_casc_admin_words() {\n"
           "    case $1 in\n" +
           word_table(tree) +
           "        *) return 1 ;;\n"
           "    esac\n"
           "}\n"
           "complete -o default -F _casc_admin casc-admin\n";
}

std::string zsh_completion(const CommandText& tree) {
    return "#compdef casc-admin\n"
           "# zsh completion for casc-admin.  casc-admin generate completion zsh > "
           "\"${fpath[1]}/_casc-admin\"\n"
           "_casc_admin_words() {\n"
           "    case $1 in\n" +
           word_table(tree) +
           "        *) return 1 ;;\n"
           "    esac\n"
           "}\n"
           "_casc-admin() {\n"
           "    local current=${words[CURRENT]} previous=${words[CURRENT-1]}\n"
           "    local path_='' verbs='' options='' values='' word\n"
           "    local -i i\n"
           "    case $previous in\n" +
           value_table(tree) +
           "    esac\n"
           "    if [[ -n $values ]]; then compadd -- ${=values}; return; fi\n"
           "    case $previous in\n"
           "        " +
           options_with_value(tree) +
           ") _files; return ;;\n"
           "    esac\n"
           "    for ((i = 2; i < CURRENT; i++)); do\n"
           "        word=${words[i]}\n"
           "        case $word in\n"
           "            " +
           options_with_value(tree) +
           ") ((i++)) ;;\n"
           "            -*) ;;\n"
           "            *) _casc_admin_words \"${path_:+$path_ }$word\" && path_=\"${path_:+$path_ "
           "}$word\" ;;\n"
           "        esac\n"
           "    done\n"
           "    _casc_admin_words \"$path_\"\n"
           "    if [[ $current == -* ]]; then compadd -- ${=options}; else compadd -- ${=verbs} || "
           "_files; fi\n"
           "}\n"
           "compdef _casc-admin casc-admin\n";
}

namespace {

// Two conditions: exactly at a command (for its verbs), or somewhere behind it (for its options).
std::string fish_functions(const CommandText& tree) {
    return "function __casc_admin_words\n"
           "    set -l skip 0\n"
           "    for word in (commandline -opc)[2..]\n"
           "        if test $skip -eq 1\n"
           "            set skip 0\n"
           "        else if contains -- $word " +
           options_with_value(tree, " ") +
           "\n"
           "            set skip 1\n"
           "        else if not string match -q -- '-*' $word\n"
           "            echo $word\n"
           "        end\n"
           "    end\n"
           "end\n"
           "function __casc_admin_is\n"
           "    test (string join ' ' -- (__casc_admin_words)) = \"$argv[1]\"\n"
           "end\n"
           "function __casc_admin_in\n"
           "    string match -q -- \"$argv[1] *\" (string join ' ' -- (__casc_admin_words))' '\n"
           "end\n";
}

std::string fish_options(const std::string& at, const CommandText& command) {
    std::string out;
    for (const OptionText& option : command.options) {
        out += at;
        for (const std::string& name : option.names)
            out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        const auto words = accepted_words(option);
        if (!option.type.empty())
            out += words.empty() ? " -r" : " -x -a " + shell_quoted(joined(words));
        out += " -d " + shell_quoted(first_sentence(option.help)) + "\n";
    }
    return out;
}

}  // namespace

std::string fish_completion(const CommandText& tree) {
    std::string out =
        "# fish completion for casc-admin.  casc-admin generate completion fish > "
        "~/.config/fish/completions/casc-admin.fish\n" +
        fish_functions(tree) + fish_options("complete -c casc-admin", tree);
    const auto condition = [](const std::string& function, const CommandText& command) {
        return "complete -c casc-admin -n " +
               shell_quoted(function + " " + shell_quoted(path_text(command)));
    };
    for (const CommandText* command : flattened(tree)) {
        for (const CommandText& verb : command->verbs)
            out += condition("__casc_admin_is", *command) + " -f -a " + verb.path.back() + " -d " +
                   shell_quoted(first_sentence(verb.help)) + "\n";
        if (!command->path.empty())
            out += fish_options(condition("__casc_admin_in", *command), *command);
    }
    return out;
}

}  // namespace casc::admin
