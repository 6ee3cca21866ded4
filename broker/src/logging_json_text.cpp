#include "logging_json_text.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace casc::broker {

namespace {

// The length of the well-formed UTF-8 sequence at the start of `text`, or 0. Overlong forms,
// surrogates and code points above U+10FFFF are not well formed (table 3-7 of the Unicode
// standard).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0u;
    };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
    const unsigned lead = byte(0);
    const unsigned second = byte(1);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const bool fits = !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F);
        return fits && tail(1) && tail(2) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const bool fits = !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
        return fits && tail(1) && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

void append_control(std::string& out, char c) {
    constexpr std::array kHex{'0', '1', '2', '3', '4', '5', '6', '7',
                              '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
    switch (c) {
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    const auto value = static_cast<std::uint8_t>(c);
    out += "\\u00";
    out += kHex[value >> 4];
    out += kHex[value & 15];
}

}  // namespace

std::string json_string(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t length = utf8_length(text);
        if (length == 0) {
            out += "\\ufffd";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (length == 1 && (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F)) {
            append_control(out, c);
        } else {
            out.append(text.substr(0, length));
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out += '"';
}

}  // namespace casc::broker
