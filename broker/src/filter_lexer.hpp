#pragma once
// The words of a filter.

#include <casc/types/result.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace casc::broker {

struct FilterToken {
    enum class Kind : std::uint8_t { end, name, text, number, symbol } kind = Kind::end;
    std::string_view raw{};  // of a name, number or symbol
    std::string text{};      // of a text, without quotes and escapes
    std::size_t at = 0;      // where it begins
};

// An error of the filter, with the place in it counted from 1.
[[nodiscard]] Error filter_error(ErrorCode code, std::size_t at, const std::string& why);

// Thread: one at a time. Lifetime: borrows the text.
class FilterLexer {
public:
    explicit FilterLexer(std::string_view text) : text_(text) {}

    // Fails with: invalid_filter.
    [[nodiscard]] Result<FilterToken> next();

private:
    [[nodiscard]] Result<FilterToken> text_token();
    [[nodiscard]] FilterToken taken(FilterToken::Kind kind, std::size_t bytes);

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace casc::broker
