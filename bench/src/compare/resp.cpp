#include "resp.hpp"

#include <charconv>
#include <stdexcept>
#include <utility>

namespace casc::bench::compare {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
// Longer than any line that Redis sends; bulk strings are not lines.
constexpr std::size_t kLineBytesMax = 64u << 10;
constexpr std::int64_t kCountMax = 512 << 20;  // of Redis itself

[[noreturn]] void fail_as_malformed(std::string_view text) {
    throw std::runtime_error("not a RESP reply: '" + std::string(text.substr(0, 40)) + "'");
}

std::int64_t number_of(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) fail_as_malformed(text);
    return number;
}

}  // namespace

void append_bulk(std::string& out, std::string_view text) {
    out += '$';
    out += std::to_string(text.size());
    out += kLineEnd;
    out += text;
    out += kLineEnd;
}

void append_array(std::string& out, std::size_t count) {
    out += '*';
    out += std::to_string(count);
    out += kLineEnd;
}

void append_command(std::string& out, std::initializer_list<std::string_view> words) {
    append_array(out, words.size());
    for (const std::string_view word : words)
        append_bulk(out, word);
}

std::optional<RespToken> take_token(std::string_view& rest) {
    if (rest.empty()) return {};
    const std::size_t line = rest.find('\n');
    if (line == std::string_view::npos) {
        if (rest.size() > kLineBytesMax) fail_as_malformed(rest);
        return {};
    }
    if (line < 2 || rest[line - 1] != '\r') fail_as_malformed(rest);
    RespToken token{rest.front(), 0, rest.substr(1, line - 2)};
    std::size_t used = line + 1;
    switch (token.kind) {
        case '+':
        case '-':
            break;
        case ':':
            token.number = number_of(token.text);
            break;
        case '*':
        case '$':
            token.number = number_of(token.text);
            token.text = {};
            if (token.number < -1 || token.number > kCountMax) fail_as_malformed(rest);
            break;
        default:
            fail_as_malformed(rest);
    }
    if (token.kind == '$' && token.number >= 0) {
        const auto length = static_cast<std::size_t>(token.number);
        if (rest.size() < used + length + kLineEnd.size()) return {};
        token.text = rest.substr(used, length);
        used += length;
        if (rest.substr(used, kLineEnd.size()) != kLineEnd) fail_as_malformed(rest.substr(used));
        used += kLineEnd.size();
    }
    rest.remove_prefix(used);
    return token;
}

std::optional<std::size_t> RespScanner::scan(std::string_view unread) {
    std::string_view rest = unread.substr(scanned_);
    while (missing_ > 0) {
        const auto token = take_token(rest);
        scanned_ = unread.size() - rest.size();
        if (!token) return {};
        --missing_;
        if (token->kind == '*' && token->number > 0) missing_ += token->number;
    }
    missing_ = 1;
    return std::exchange(scanned_, 0);
}

}  // namespace casc::bench::compare
