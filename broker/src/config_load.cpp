// config_load.cpp: the layers of a configuration, laid over each other: defaults, file,
// environment, flags.
//
// Every mistake is reported, not just the first: an operator who fixes a file should need one
// round.

#include "config_check.hpp"
#include "config_keys.hpp"
#include "config_value.hpp"

#include <casc/broker/config.hpp>

#include <stdexcept>

namespace casc::broker {
// toml++ 3.3 states with assert() what some files break, such as a time of "T:7:32". That is a
// mistake of whoever wrote the file, so it must become a message, not an abort.
struct TomlAssertion : std::runtime_error {
    using std::runtime_error::runtime_error;
};
[[noreturn]] static void toml_assertion_failed(const char* what) {
    throw TomlAssertion(what);
}
}  // namespace casc::broker
#define TOML_ASSERT(expr) \
    ((expr) ? static_cast<void>(0) : ::casc::broker::toml_assertion_failed(#expr))
#include <toml++/toml.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

namespace casc::broker {

namespace {

constexpr std::uintmax_t kFileBytesMax = 1_MiB;
constexpr std::string_view kEnvironmentPrefix = "CASC_";

std::string join(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines)
        text += (text.empty() ? "" : "\n") + line;
    return text;
}

std::string did_you_mean(std::string_view name) {
    const std::string_view nearest = nearest_config_key(name);
    return nearest.empty() ? "" : ", did you mean '" + std::string(nearest) + "'?";
}

// Thread: any. Lives for one load_config().
class Loader {
public:
    // Sets `name` from layer `origin`; `place` names the spot for messages: "casc.toml:12:3".
    void set(const std::string& name, std::string_view text, Origin origin,
             const std::string& place) {
        if (const ConfigKey* key = known(name, place)) {
            accept(*key, set_config_value(loaded_.config, *key, text), origin, place);
        }
    }
    void set_list(const std::string& name, std::vector<std::string> items, Origin origin,
                  const std::string& place) {
        if (const ConfigKey* key = known(name, place)) {
            accept(*key, set_config_list(loaded_.config, *key, std::move(items)), origin, place);
        }
    }

    const ConfigKey* known(const std::string& name, const std::string& place) {
        const ConfigKey* key = find_config_key(name);
        if (key == nullptr) complain(place + ": unknown key '" + name + "'" + did_you_mean(name));
        return key;
    }

    void complain(std::string problem) { problems_.push_back(std::move(problem)); }
    [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

    Result<LoadedConfig> finish() && {
        // Settings that are wrong one by one would only add noise to the checks of all together.
        if (problems_.empty()) problems_ = check_config(loaded_.config, places_);
        if (!problems_.empty()) return Error(ErrorCode::invalid_config, join(problems_));
        for (const ConfigKey& key : config_keys()) {
            const auto origin = origins_.find(key.name);
            loaded_.settings.push_back(
                {std::string(key.name), config_value_text(loaded_.config, key),
                 origin == origins_.end() ? Origin::default_ : origin->second,
                 key.reload == Reload::yes});
        }
        return std::move(loaded_);
    }

private:
    void accept(const ConfigKey& key, const Result<void>& set, Origin origin,
                const std::string& place) {
        if (!set) return complain(place + ": " + std::string(key.name) + ": " + set.error().detail);
        origins_[key.name] = origin;
        places_[key.name] = place;
    }

    LoadedConfig loaded_;
    std::map<std::string_view, Origin> origins_;
    ConfigPlaces places_;
    std::vector<std::string> problems_;
};

// --- the file ------------------------------------------------------------------------------------

// Thread: any. Lives for one load_config().
class FileReader {
public:
    FileReader(Loader& loader, const std::filesystem::path& file)
        : loader_(loader), name_(file.string()) {}

    void read() {
        std::optional<std::string> text = contents();
        if (!text) return;
        if (text->starts_with(kByteOrderMark)) text->erase(0, kByteOrderMark.size());
        // Letters beyond ASCII have their place in quotes and comments. Anywhere else toml++ 3.3
        // reaches __builtin_unreachable() on them, so it is shown none before a trial without them
        // has found nothing wrong: then they are where they may be.
        const std::string masked = without_non_ascii(*text);
        if (masked != *text) {
            Loader trial;
            FileReader(trial, name_).parse(masked);
            if (!trial.problems().empty()) {
                for (const std::string& problem : trial.problems())
                    loader_.complain(problem);
                loader_.complain(name_ + ": letters that are not ASCII belong in quotes or " +
                                 "comments; here each of their bytes is shown as " +
                                 std::string(1, kMask));
                return;
            }
        }
        parse(*text);
    }

private:
    // Part of no key and of no value without quotes, but of dates, which no key takes.
    static constexpr char kMask = 'Z';
    static constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

    static std::string without_non_ascii(std::string text) {
        for (char& byte : text)
            if (static_cast<unsigned char>(byte) >= 0x80) byte = kMask;
        return text;
    }

    void parse(const std::string& text) {
        try {
            read_root(toml::parse(text, std::string_view(name_)));
        } catch (const toml::parse_error& e) {
            loader_.complain(place_of(e.source().begin) + ": " + std::string(e.description()));
        } catch (const TomlAssertion&) {
            loader_.complain(name_ +
                             ": this is not TOML; is there a malformed date or time in it?");
        }
    }

    std::optional<std::string> contents() {
        std::error_code error;
        const auto size = std::filesystem::file_size(name_, error);
        if (error) return unreadable(error.message());
        if (size > kFileBytesMax)
            return unreadable("it is larger than 1 MiB, so it is not a configuration");
        std::ifstream in(name_, std::ios::binary);
        std::ostringstream text;
        if (!in || !(text << in.rdbuf() || size == 0)) return unreadable(std::strerror(errno));
        return std::move(text).str();
    }

    std::optional<std::string> unreadable(const std::string& why) {
        loader_.complain("cannot read the configuration file " + name_ + ": " + why);
        return std::nullopt;
    }

    void read_root(const toml::table& root) {
        for (const auto& [key, node] : root) {
            const std::string name(key.str());
            const std::string place = place_of(key.source().begin);
            if (const toml::table* section = node.as_table()) {
                read_section(name, *section, place);
            } else {
                loader_.complain(place + ": '" + name + "' stands outside of a [section]" +
                                 did_you_mean(name));
            }
        }
    }

    void read_section(const std::string& section, const toml::table& table,
                      const std::string& section_place) {
        if (!known_section(section)) {
            const std::string hint =
                table.empty() ? section : section + "." + std::string(table.begin()->first.str());
            return loader_.complain(section_place + ": unknown section [" + section + "]" +
                                    did_you_mean(hint));
        }
        for (const auto& [key, node] : table) {
            const std::string name = section + "." + std::string(key.str());
            const std::string key_place = place_of(key.source().begin);
            if (const ConfigKey* known = loader_.known(name, key_place)) {
                read_value(*known, node, place_of(node.source().begin));
            }
        }
    }

    void read_value(const ConfigKey& key, const toml::node& node, const std::string& place) {
        const std::string name(key.name);
        const bool quoted_allowed =
            (key.kind != KeyKind::boolean && key.kind != KeyKind::count) || key.range.or_unlimited;
        if (const auto flag = node.value_exact<bool>(); flag && key.kind == KeyKind::boolean) {
            loader_.set(name, *flag ? "true" : "false", Origin::file, place);
        } else if (const auto number = node.value_exact<std::int64_t>();
                   number && key.kind != KeyKind::text && !key.is_list()) {
            loader_.set(name, std::to_string(*number), Origin::file, place);
        } else if (const auto text = node.value_exact<std::string>(); text && quoted_allowed) {
            loader_.set(name, *text, Origin::file, place);
        } else if (const toml::array* array = node.as_array(); array != nullptr && key.is_list()) {
            read_list(name, *array, place);
        } else {
            loader_.complain(place + ": " + name + ": " + std::string(expected(key.kind)) +
                             " is expected");
        }
    }

    void read_list(const std::string& name, const toml::array& array, const std::string& place) {
        std::vector<std::string> items;
        for (const toml::node& node : array) {
            const auto text = node.value_exact<std::string>();
            if (!text) {
                return loader_.complain(place_of(node.source().begin) + ": " + name +
                                        ": a list of texts is expected");
            }
            items.push_back(*text);
        }
        loader_.set_list(name, std::move(items), Origin::file, place);
    }

    static bool known_section(std::string_view name) {
        for (const ConfigSection& section : config_sections()) {
            if (section.name == name) return true;
        }
        return false;
    }

    static std::string_view expected(KeyKind kind) {
        switch (kind) {
            case KeyKind::text:
                return "a text in quotes";
            case KeyKind::endpoints:
                return "a list of addresses in quotes";
            case KeyKind::names:
                return "a list of names in quotes";
            case KeyKind::boolean:
                return "true or false, without quotes,";
            case KeyKind::count:
                return "a whole number";
            case KeyKind::bytes:
                return "a size such as \"64MiB\", or a number of bytes,";
            case KeyKind::duration:
                return "a duration such as \"30s\", or a number of milliseconds,";
        }
        return "another type";
    }

    std::string place_of(const toml::source_position& at) const {
        return name_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    }

    Loader& loader_;
    std::string name_;
};

// --- the environment -----------------------------------------------------------------------------

// CASC_LIMITS__FRAME_BYTES=1MiB is limits.frame_bytes. Names without the double underscore are not
// settings.
void read_environment(Loader& loader, const std::vector<std::string>& environment) {
    for (const std::string& entry : environment) {
        const std::size_t equals = entry.find('=');
        if (equals == entry.npos || !entry.starts_with(kEnvironmentPrefix)) continue;
        const std::string variable = entry.substr(0, equals);
        std::string name = variable.substr(kEnvironmentPrefix.size());
        const std::size_t gap = name.find("__");
        if (gap == name.npos || gap == 0) continue;
        name.replace(gap, 2, ".");
        for (char& c : name)
            c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        loader.set(name, entry.substr(equals + 1), Origin::environment,
                   "environment variable " + variable);
    }
}

}  // namespace

Result<LoadedConfig> load_config(const std::filesystem::path& file,
                                 const std::vector<std::string>& environment,
                                 const std::vector<Override>& flags) {
    Loader loader;
    if (!file.empty()) FileReader(loader, file).read();
    read_environment(loader, environment);
    for (const Override& flag : flags)
        loader.set(flag.key, flag.value, Origin::flag, "command line");
    return std::move(loader).finish();
}

}  // namespace casc::broker
