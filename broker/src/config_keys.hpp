#pragma once
// config_keys.hpp: the one table of settings. The parser, the range checks, the example file, `node
// config` and the reference in docs/operations.md are all made from it. Thread: any (constants).

#include <casc/broker/config.hpp>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace casc::broker {

// `endpoints` and `names` are lists of texts.
enum class KeyKind : std::uint8_t { text, endpoints, names, boolean, count, bytes, duration };

// The member of a Config that a key sets. Numbers of every width go through the same range check.
using KeyMember =
    std::variant<std::string*, std::filesystem::path*, std::vector<std::string>*, bool*,
                 std::uint32_t*, std::uint64_t*, std::int64_t*, milliseconds*, Durability*>;

// What a value may be. Bytes are counted in bytes, durations in milliseconds.
struct KeyRange {
    std::int64_t min = 0;
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    bool or_unlimited = false;      // -1 or "unlimited" too
    std::string_view choices = {};  // of a text: "auto|io_uring|pwritev2"
};

enum class Reload : bool { no, yes };

struct ConfigKey {
    std::string_view name;  // section.name
    KeyKind kind;
    KeyRange range;
    Reload reload;
    KeyMember (*member)(Config&);
    std::string_view help;  // one or more lines for the example file

    [[nodiscard]] bool is_list() const {
        return kind == KeyKind::endpoints || kind == KeyKind::names;
    }
    [[nodiscard]] std::string_view section() const { return name.substr(0, name.find('.')); }
    [[nodiscard]] std::string_view leaf() const { return name.substr(name.find('.') + 1); }
};

struct ConfigSection {
    std::string_view name;
    std::string_view help;
};

// In the order of the example file; the keys of a section stand together.
[[nodiscard]] std::span<const ConfigKey> config_keys();
[[nodiscard]] std::span<const ConfigSection> config_sections();

[[nodiscard]] const ConfigKey* find_config_key(std::string_view name);

// The known key nearest to `name`, or empty when none is near: a wrong letter, a wrong section.
[[nodiscard]] std::string_view nearest_config_key(std::string_view name);

}  // namespace casc::broker
