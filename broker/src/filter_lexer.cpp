#include "filter_lexer.hpp"

#include <array>

namespace casc::broker {
namespace {

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool in_name(char c) noexcept {
    return is_letter(c) || is_digit(c) || c == '-';
}
bool in_number(char c) noexcept {
    return is_digit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

// The longer ones first.
constexpr std::array<std::string_view, 17> kSymbols{
    "&&", "||", "==", "!=", "<=", ">=", "=~", "<", ">", "!", "(", ")", "[", "]", ",", ".", "-"};

template <class Belongs>
std::size_t length_of(std::string_view rest, Belongs belongs) {
    std::size_t bytes = 1;
    while (bytes < rest.size() && belongs(rest[bytes]))
        ++bytes;
    return bytes;
}

}  // namespace

Error filter_error(ErrorCode code, std::size_t at, const std::string& why) {
    return Error(code, "at " + std::to_string(at + 1) + ": " + why);
}

FilterToken FilterLexer::taken(FilterToken::Kind kind, std::size_t bytes) {
    FilterToken token{.kind = kind, .raw = text_.substr(at_, bytes), .at = at_};
    at_ += bytes;
    return token;
}

Result<FilterToken> FilterLexer::next() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
        ++at_;
    if (at_ == text_.size()) return taken(FilterToken::Kind::end, 0);
    const std::string_view rest = text_.substr(at_);
    const char first = rest.front();
    if (first == '"' || first == '\'') return text_token();
    if (is_letter(first)) return taken(FilterToken::Kind::name, length_of(rest, in_name));
    const bool negative = first == '-' && rest.size() > 1 && is_digit(rest[1]);
    if (is_digit(first) || negative)
        return taken(FilterToken::Kind::number, length_of(rest, in_number));
    for (const std::string_view symbol : kSymbols)
        if (rest.starts_with(symbol)) return taken(FilterToken::Kind::symbol, symbol.size());
    return filter_error(ErrorCode::invalid_filter, at_, "a character that means nothing here");
}

// In single or double quotes; a backslash takes the next character as it is, or is a line feed or a
// tabulator (\n, \t).
Result<FilterToken> FilterLexer::text_token() {
    FilterToken token{.kind = FilterToken::Kind::text, .at = at_};
    const char quote = text_[at_++];
    for (; at_ < text_.size(); ++at_) {
        char c = text_[at_];
        if (c == quote) {
            ++at_;
            return token;
        }
        if (c == '\\') {
            if (++at_ == text_.size()) break;
            c = text_[at_];
            if (c == 'n') c = '\n';
            if (c == 't') c = '\t';
        }
        token.text.push_back(c);
    }
    return filter_error(ErrorCode::invalid_filter, token.at, "the text has no closing quote");
}

}  // namespace casc::broker
