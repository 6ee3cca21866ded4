#include "config_value.hpp"

#include "config_address.hpp"
#include "logging_json_text.hpp"

#include <array>
#include <charconv>
#include <optional>

namespace casc::broker {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t factor;
};

// The largest first: a value is printed with the first one that divides it.
constexpr std::array kByteUnits{Unit{"TiB", 1ll << 40},
                                Unit{"GiB", 1ll << 30},
                                Unit{"MiB", 1ll << 20},
                                Unit{"KiB", 1ll << 10},
                                Unit{"TB", 1'000'000'000'000},
                                Unit{"GB", 1'000'000'000},
                                Unit{"MB", 1'000'000},
                                Unit{"kB", 1'000},
                                Unit{"KB", 1'000},
                                Unit{"B", 1}};
constexpr std::array kTimeUnits{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"min", 60'000},
                                Unit{"m", 60'000},     Unit{"s", 1'000},     Unit{"ms", 1}};
constexpr std::size_t kBinaryByteUnits = 4;
constexpr std::int64_t kUnlimited = -1;

Error refused(std::string sentence) {
    return {ErrorCode::invalid_config, std::move(sentence)};
}

std::string quoted(std::string_view text) {
    return "'" + std::string(text) + "'";
}

std::span<const Unit> units_of(KeyKind kind) {
    if (kind == KeyKind::bytes) return kByteUnits;
    if (kind == KeyKind::duration) return kTimeUnits;
    return {};
}

std::string_view unit_advice(KeyKind kind) {
    if (kind == KeyKind::bytes)
        return "a size is a number of bytes or, for instance, \"64MiB\" or \"10GB\"";
    if (kind == KeyKind::duration)
        return "a duration is a number of milliseconds or, for instance, \"500ms\", \"30s\", "
               "\"15m\", \"12h\" or \"7d\"";
    return "a whole number is expected";
}

std::string with_unit(std::int64_t value, KeyKind kind) {
    std::span<const Unit> units = units_of(kind);
    if (kind == KeyKind::bytes) units = units.first(kBinaryByteUnits);
    for (const Unit& unit : units) {
        const bool printable = unit.name != "min";
        if (printable && value != 0 && value % unit.factor == 0) {
            return std::to_string(value / unit.factor) + std::string(unit.name);
        }
    }
    return std::to_string(value);
}

// A number and its unit, with or without a space between them.
std::optional<std::int64_t> parse_number(std::string_view text, KeyKind kind) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return value;
    if (text.front() == ' ') text.remove_prefix(1);
    for (const Unit& unit : units_of(kind)) {
        std::int64_t product = 0;
        if (unit.name == text && !__builtin_mul_overflow(value, unit.factor, &product))
            return product;
    }
    return std::nullopt;
}

std::string range_advice(const ConfigKey& key, std::int64_t max) {
    const auto& range = key.range;
    std::string advice = "must be ";
    if (max == std::numeric_limits<std::int64_t>::max()) {
        advice += "at least " + with_unit(range.min, key.kind);
    } else {
        advice += "between " + with_unit(range.min, key.kind) + " and " + with_unit(max, key.kind);
    }
    return advice + (range.or_unlimited ? " or \"unlimited\"" : "");
}

Result<std::int64_t> number_of(const ConfigKey& key, std::string_view text, std::int64_t type_max) {
    if (key.range.or_unlimited && text == "unlimited") return kUnlimited;
    const std::optional<std::int64_t> value = parse_number(text, key.kind);
    if (!value)
        return refused(quoted(text) + " is not understood: " + std::string(unit_advice(key.kind)));
    if (key.range.or_unlimited && *value == kUnlimited) return *value;
    const std::int64_t max = std::min(key.range.max, type_max);
    if (*value < key.range.min || *value > max)
        return refused(range_advice(key, max) + ", not " + std::string(text));
    return *value;
}

Result<void> check_text(const ConfigKey& key, std::string_view text) {
    std::string_view choices = key.range.choices;
    if (!choices.empty()) {
        while (!choices.empty()) {
            const std::string_view choice = choices.substr(0, choices.find('|'));
            if (choice == text) return {};
            choices.remove_prefix(std::min(choices.size(), choice.size() + 1));
        }
        return refused(quoted(text) + " is none of " + std::string(key.range.choices));
    }
    const auto size = static_cast<std::int64_t>(text.size());
    if (size < key.range.min) return refused("must not be empty");
    if (size > key.range.max)
        return refused("is longer than " + std::to_string(key.range.max) + " bytes");
    if (text.find('\0') != text.npos) return refused("contains a zero byte");
    return {};
}

// Stores `text` into the member that it is called with.
struct Setter {
    const ConfigKey& key;
    std::string_view text;

    Result<void> operator()(std::string* member) const {
        CASC_TRY_VOID(check_text(key, text));
        *member = text;
        return {};
    }
    Result<void> operator()(std::filesystem::path* member) const {
        CASC_TRY_VOID(check_text(key, text));
        *member = text;
        return {};
    }
    Result<void> operator()(std::vector<std::string>*) const { return refused("is a list"); }
    Result<void> operator()(bool* member) const {
        if (text != "true" && text != "false")
            return refused("must be true or false, not " + quoted(text));
        *member = text == "true";
        return {};
    }
    Result<void> operator()(Durability* member) const {
        CASC_TRY_VOID(check_text(key, text));
        *member = text == "memory" ? Durability::memory : Durability::durable;
        return {};
    }
    Result<void> operator()(milliseconds* member) const {
        CASC_TRY(const std::int64_t value,
                 number_of(key, text, std::numeric_limits<std::int64_t>::max()));
        *member = milliseconds(value);
        return {};
    }
    template <class Int>
    Result<void> operator()(Int* member) const {
        constexpr auto kIntMax = std::numeric_limits<Int>::max();
        constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
        constexpr std::int64_t kTypeMax =
            std::in_range<std::int64_t>(kIntMax) ? static_cast<std::int64_t>(kIntMax) : kMax;
        CASC_TRY(const std::int64_t value, number_of(key, text, kTypeMax));
        *member = static_cast<Int>(value);
        return {};
    }
};

struct Printer {
    const ConfigKey& key;

    std::string operator()(const std::string* member) const { return *member; }
    std::string operator()(const std::filesystem::path* member) const { return member->string(); }
    std::string operator()(const std::vector<std::string>* member) const {
        std::string joined;
        for (const std::string& item : *member)
            joined += (joined.empty() ? "" : ",") + item;
        return joined;
    }
    std::string operator()(const bool* member) const { return *member ? "true" : "false"; }
    std::string operator()(const Durability* member) const {
        return std::string(to_string(*member));
    }
    std::string operator()(const milliseconds* member) const {
        return with_unit(member->count(), key.kind);
    }
    template <class Int>
    std::string operator()(const Int* member) const {
        const auto value = static_cast<std::int64_t>(*member);
        return key.range.or_unlimited && value == kUnlimited ? "unlimited"
                                                             : with_unit(value, key.kind);
    }
};

bool is_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<void> set_config_value(Config& config, const ConfigKey& key, std::string_view text) {
    if (!key.is_list()) return std::visit(Setter{key, text}, key.member(config));
    std::vector<std::string> items;
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        items.emplace_back(item);
        text.remove_prefix(std::min(text.size(), item.size() + 1));
    }
    return set_config_list(config, key, std::move(items));
}

Result<void> set_config_list(Config& config, const ConfigKey& key, std::vector<std::string> items) {
    CASC_ASSERT(key.is_list(), key.name);
    const bool are_endpoints = key.kind == KeyKind::endpoints;
    if (items.empty() && are_endpoints) return refused("needs at least one address");
    for (const std::string& item : items) {
        if (are_endpoints) {
            CASC_TRY_VOID(parse_listen_address(item));
        }
        if (item.empty() || item.find('\0') != item.npos) return refused("has an empty name in it");
    }
    *std::get<std::vector<std::string>*>(key.member(config)) = std::move(items);
    return {};
}

std::string config_value_text(Config config, const ConfigKey& key) {
    return std::visit(Printer{key}, key.member(config));
}

std::string config_value_toml(Config config, const ConfigKey& key) {
    if (key.is_list()) {
        std::string list;
        for (const std::string& item : *std::get<std::vector<std::string>*>(key.member(config))) {
            list += (list.empty() ? "" : ", ") + json_string(item);
        }
        return "[" + list + "]";
    }
    std::string text = config_value_text(config, key);
    const bool bare =
        key.kind == KeyKind::boolean || (key.kind != KeyKind::text && is_number(text));
    // A TOML basic string has the escapes of a JSON string.
    return bare ? text : json_string(text);
}

}  // namespace casc::broker
