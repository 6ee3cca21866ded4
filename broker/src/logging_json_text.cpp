#include "logging_json_text.hpp"

#include <casc/types/utf8.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace casc::broker {

namespace {

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
