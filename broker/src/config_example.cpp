// config_example.cpp: the commented example file, made from the table of keys.

#include "config_keys.hpp"
#include "config_value.hpp"

#include <casc/broker/config.hpp>

namespace casc::broker {

namespace {

constexpr std::string_view kPreface =
    "# casc.toml: the settings of casc-broker. Every line that starts with '#' and a name shows a "
    "default; remove the\n"
    "# '#' to change it. Sizes are numbers of bytes or texts like \"64MiB\"; durations are "
    "milliseconds or texts like\n"
    "# \"30s\", \"15m\", \"7d\".\n"
    "#\n"
    "# An environment variable CASC_SECTION__NAME overrules this file, and a flag overrules both:\n"
    "#   CASC_LIMITS__CONNECTIONS=500        casc-broker --set limits.connections=500\n"
    "#\n"
    "# casc-broker --config casc.toml --check-config says whether a file is good. SIGHUP makes a "
    "running broker read it\n"
    "# again; settings marked (reloadable) then change at once, the others with the next start.\n";

// Every line of `text` behind "# ".
void append_comment(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        out.append("# ").append(line).append("\n");
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
}

std::string notes_on(const ConfigKey& key) {
    std::string notes;
    if (!key.range.choices.empty()) {
        for (const char c : key.range.choices)
            notes += c == '|' ? std::string(", ") : std::string(1, c);
    }
    if (key.range.or_unlimited) notes += notes.empty() ? "or \"unlimited\"" : ", or \"unlimited\"";
    if (key.reload == Reload::yes) notes += notes.empty() ? "reloadable" : "; reloadable";
    return notes;
}

void append_key(std::string& out, const ConfigKey& key) {
    const std::string notes = notes_on(key);
    append_comment(out, std::string(key.help) + (notes.empty() ? "" : " (" + notes + ")"));
    out.append("#")
        .append(key.leaf())
        .append(" = ")
        .append(config_value_toml(Config{}, key))
        .append("\n\n");
}

}  // namespace

std::string example_config() {
    std::string out(kPreface);
    for (const ConfigSection& section : config_sections()) {
        out += "\n";
        append_comment(out, section.help);
        out.append("[").append(section.name).append("]\n\n");
        for (const ConfigKey& key : config_keys()) {
            if (key.section() == section.name) append_key(out, key);
        }
        out.pop_back();  // the next section brings its own empty line
    }
    return out;
}

}  // namespace casc::broker
