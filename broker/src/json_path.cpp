#include "json_path.hpp"

#include "same_text.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <optional>

namespace casc::broker {
namespace {

constexpr bool is_space(char c) noexcept {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// One look instead of seven comparisons, for each character of a number.
constexpr auto kEndsScalar = [] {
    std::array<bool, 256> ends{};
    for (int c = 0; c < 128; ++c) {
        const char letter = static_cast<char>(c);
        ends[static_cast<std::size_t>(c)] =
            letter == ',' || letter == ']' || letter == '}' || is_space(letter);
    }
    return ends;
}();

bool ends_scalar(char c) noexcept {
    return kEndsScalar[static_cast<unsigned char>(c)];
}

// The first quote or backslash of [at, end), or `end`: what a text is made of besides is nothing to
// us. Eight characters at a time: `word ^ pattern` has a zero byte where the character is, and
// (x - 0x01...) & ~x & 0x80... the top bit of the first zero byte.
const char* find_quote_or_backslash(const char* at, const char* end) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    constexpr std::uint64_t tops = 0x8080808080808080u;
    static_assert(std::endian::native == std::endian::little);  // the first character is lowest
    const auto zero_bytes = [](std::uint64_t x) { return (x - ones) & ~x & tops; };
    for (; end - at >= 8; at += 8) {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        const std::uint64_t found = zero_bytes(word ^ ones * '"') | zero_bytes(word ^ ones * '\\');
        if (found != 0) return at + std::countr_zero(found) / 8;
    }
    while (at != end && *at != '"' && *at != '\\')
        ++at;
    return at;
}

struct Text {
    std::string_view raw;  // without its quotes
    bool escaped = false;  // it has backslashes
};

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
    // A text, from its first quote on. False: there is none, or it does not end.
    [[nodiscard]] bool take_text(Text& text) noexcept {
        if (!take('"')) return false;
        text.escaped = false;
        const char* const begin = at_;
        while ((at_ = find_quote_or_backslash(at_, end_)) != end_) {
            if (*at_ == '"') {
                text.raw = {begin, static_cast<std::size_t>(at_ - begin)};
                ++at_;
                return true;
            }
            text.escaped = true;
            if (++at_ == end_) break;
            ++at_;
        }
        return false;
    }
    [[nodiscard]] bool skip_value() noexcept {
        skip_space();
        if (at_ == end_) return false;
        if (*at_ == '"') return skip_text();
        if (*at_ == '{' || *at_ == '[') return skip_container();
        const char* const begin = at_;
        while (at_ != end_ && !ends_scalar(*at_))
            ++at_;
        return at_ != begin;
    }
    void take_value(JsonValue& into) noexcept {
        skip_space();
        if (at_ == end_) return;
        switch (*at_) {
            case '"': {
                Text text;
                if (!take_text(text)) return;
                into.kind = JsonKind::text;
                into.escaped = text.escaped;
                into.raw = text.raw;
                return;
            }
            case '{':
                into.kind = JsonKind::object;
                return;
            case '[':
                into.kind = JsonKind::array;
                return;
            default:
                take_scalar(into);
        }
    }

private:
    [[nodiscard]] bool skip_text() noexcept {
        Text text;
        return take_text(text);
    }
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
                if (!skip_text()) return false;
                continue;
            }
            ++at_;
            if (c == '{' || c == '[') ++depth;
            if ((c == '}' || c == ']') && --depth == 0) return true;
        }
        return false;
    }
    void take_scalar(JsonValue& into) noexcept {
        const char* const begin = at_;
        while (at_ != end_ && !ends_scalar(*at_))
            ++at_;
        const std::string_view raw(begin, static_cast<std::size_t>(at_ - begin));
        if (raw.empty()) return;
        if (raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9')) {
            into.kind = JsonKind::number;
            into.raw = raw;
        } else if (raw == "true" || raw == "false") {
            into.kind = JsonKind::boolean;
            into.truth = raw == "true";
        } else if (raw == "null") {
            into.kind = JsonKind::null;
        }
    }

    const char* at_;
    const char* end_;
};

bool is_key(const Text& found, const std::string& key) {
    if (!found.escaped) return same_text(found.raw, key);
    std::string plain;  // rare: nobody escapes names
    return unescape_json(found.raw, plain) && plain == key;
}

[[nodiscard]] bool enter_member(Walker& walker, const std::string& key) {
    if (!walker.take('{')) return false;
    do {
        Text name;
        if (!walker.take_text(name) || !walker.take(':')) return false;
        if (is_key(name, key)) return true;
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

void find_json(std::string_view text, std::span<const JsonStep> path, JsonValue& into) noexcept {
    into.kind = JsonKind::missing;
    Walker walker(text);
    for (const JsonStep& step : path) {
        const bool there =
            step.is_index ? enter_element(walker, step.index) : enter_member(walker, step.key);
        if (!there) return;
    }
    walker.take_value(into);
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
