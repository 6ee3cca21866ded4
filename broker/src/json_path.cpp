#include "json_path.hpp"

#include <cstring>
#include <optional>

namespace casc::broker {
namespace {

bool is_space(char c) noexcept {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool ends_scalar(char c) noexcept {
    return c == ',' || c == ']' || c == '}' || is_space(c);
}

// Walks a text forward. Everything that takes something says whether it was there.
class Walker {
public:
    explicit Walker(std::string_view text) noexcept
        : at_(text.data()), end_(text.data() + text.size()) {}

    [[nodiscard]] bool take(char wanted) noexcept {
        skip_space();
        if (at_ == end_ || *at_ != wanted) return false;
        ++at_;
        return true;
    }
    // A text, from its first quote on. Nothing: it does not end.
    [[nodiscard]] std::optional<JsonValue> take_text() noexcept {
        if (!take('"')) return std::nullopt;
        JsonValue value{.kind = JsonKind::text};
        const char* const begin = at_;
        for (; at_ != end_; ++at_) {
            if (*at_ == '"') {
                value.raw = {begin, static_cast<std::size_t>(at_ - begin)};
                ++at_;
                return value;
            }
            if (*at_ != '\\') continue;
            value.escaped = true;
            if (++at_ == end_) break;
        }
        return std::nullopt;
    }
    [[nodiscard]] bool skip_value() noexcept {
        skip_space();
        if (at_ == end_) return false;
        if (*at_ == '"') return take_text().has_value();
        if (*at_ == '{' || *at_ == '[') return skip_container();
        const char* const begin = at_;
        while (at_ != end_ && !ends_scalar(*at_))
            ++at_;
        return at_ != begin;
    }
    [[nodiscard]] JsonValue take_value() noexcept {
        skip_space();
        if (at_ == end_) return {};
        switch (*at_) {
            case '"':
                return take_text().value_or(JsonValue{});
            case '{':
                return {.kind = JsonKind::object};
            case '[':
                return {.kind = JsonKind::array};
            default:
                return take_scalar();
        }
    }

private:
    void skip_space() noexcept {
        while (at_ != end_ && is_space(*at_))
            ++at_;
    }
    // No recursion: the depth is a number, so a text of a million brackets is only long.
    [[nodiscard]] bool skip_container() noexcept {
        std::size_t depth = 0;
        while (at_ != end_) {
            const char c = *at_;
            if (c == '"') {
                if (!take_text()) return false;
                continue;
            }
            ++at_;
            if (c == '{' || c == '[') ++depth;
            if ((c == '}' || c == ']') && --depth == 0) return true;
        }
        return false;
    }
    [[nodiscard]] JsonValue take_scalar() noexcept {
        const char* const begin = at_;
        while (at_ != end_ && !ends_scalar(*at_))
            ++at_;
        const std::string_view raw(begin, static_cast<std::size_t>(at_ - begin));
        if (raw == "true") return {.kind = JsonKind::boolean, .truth = true};
        if (raw == "false") return {.kind = JsonKind::boolean};
        if (raw == "null") return {.kind = JsonKind::null};
        const bool number = !raw.empty() && (raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'));
        if (!number) return {};
        return {.kind = JsonKind::number, .raw = raw};
    }

    const char* at_;
    const char* end_;
};

bool is_key(const JsonValue& found, const std::string& key) {
    if (!found.escaped) return found.raw == key;
    std::string plain;  // rare: nobody escapes names
    return unescape_json(found.raw, plain) && plain == key;
}

[[nodiscard]] bool enter_member(Walker& walker, const std::string& key) {
    if (!walker.take('{')) return false;
    do {
        const auto name = walker.take_text();
        if (!name || !walker.take(':')) return false;
        if (is_key(*name, key)) return true;
        if (!walker.skip_value()) return false;
    } while (walker.take(','));
    return false;
}

[[nodiscard]] bool enter_element(Walker& walker, std::uint32_t index) noexcept {
    if (!walker.take('[')) return false;
    for (std::uint32_t passed = 0; passed < index; ++passed)
        if (!walker.skip_value() || !walker.take(',')) return false;
    return true;
}

std::optional<std::uint32_t> hex4(std::string_view raw) noexcept {
    if (raw.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (const char c : raw.substr(0, 4)) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return std::nullopt;
        value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    return value;
}

void append_utf8(std::uint32_t point, std::string& into) {
    const auto put = [&](std::uint32_t byte) { into.push_back(static_cast<char>(byte)); };
    if (point < 0x80) return put(point);
    if (point < 0x800) {
        put(0xC0 | point >> 6);
    } else if (point < 0x10000) {
        put(0xE0 | point >> 12);
        put(0x80 | (point >> 6 & 0x3F));
    } else {
        put(0xF0 | point >> 18);
        put(0x80 | (point >> 12 & 0x3F));
        put(0x80 | (point >> 6 & 0x3F));
    }
    put(0x80 | (point & 0x3F));
}

// \uXXXX, or two of them that are one; `raw` begins behind the 'u'. How many bytes it took, or 0.
std::size_t append_unicode(std::string_view raw, std::string& into) {
    const auto first = hex4(raw);
    if (!first || (*first >= 0xDC00 && *first < 0xE000)) return 0;
    if (*first < 0xD800 || *first >= 0xE000) {
        append_utf8(*first, into);
        return 4;
    }
    if (!raw.substr(4).starts_with("\\u")) return 0;
    const auto second = hex4(raw.substr(6));
    if (!second || *second < 0xDC00 || *second >= 0xE000) return 0;
    append_utf8(0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00), into);
    return 10;
}

}  // namespace

JsonValue find_json(std::string_view text, std::span<const JsonStep> path) noexcept {
    Walker walker(text);
    for (const JsonStep& step : path) {
        const bool there =
            step.is_index ? enter_element(walker, step.index) : enter_member(walker, step.key);
        if (!there) return {};
    }
    return walker.take_value();
}

bool unescape_json(std::string_view raw, std::string& into) {
    into.clear();
    while (!raw.empty()) {
        const std::size_t plain = std::min(raw.find('\\'), raw.size());
        into.append(raw.substr(0, plain));
        raw.remove_prefix(plain);
        if (raw.empty()) return true;
        if (raw.size() < 2) return false;
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        const char letter = raw[1];
        raw.remove_prefix(2);
        if (letter == 'u') {
            const std::size_t taken = append_unicode(raw, into);
            if (taken == 0) return false;
            raw.remove_prefix(taken);
        } else if (const auto at = letters.find(letter); at != std::string_view::npos) {
            into.push_back(meanings[at]);
        } else {
            return false;
        }
    }
    return true;
}

}  // namespace casc::broker
