#pragma once
// Reads a filter by recursive descent, into a tree of few parts that is then laid out flat.
//
//   any  := all { ("||" | "or") all }
//   all  := not { ("&&" | "and") not }
//   not  := ("!" | "not") not | "(" any ")" | test
//   test := "has" field | field op literal | field ["not"] "in" "(" literal { "," literal } ")"
//         | field "=~" ("prefix" | "suffix" | "contains") text

#include "filter.hpp"
#include "filter_lexer.hpp"

#include <memory>

namespace casc::broker {

// Thread: one at a time.
class FilterParser {
public:
    explicit FilterParser(std::string_view text) : lexer_(text) {}

    [[nodiscard]] Result<void> parse(Filter& into);

private:
    struct Part {
        FilterNode::Kind kind = FilterNode::Kind::test;
        std::uint32_t test = 0;
        std::uint32_t cost = 0;  // of all of it
        std::vector<Part> parts{};
    };

    // Each leaves token_ behind what it has read.
    [[nodiscard]] Result<Part> any(std::size_t depth);
    [[nodiscard]] Result<Part> all(std::size_t depth);
    [[nodiscard]] Result<Part> negation(std::size_t depth);
    [[nodiscard]] Result<Part> test();
    [[nodiscard]] Result<void> field(FilterTest& into);
    [[nodiscard]] Result<void> header_name(FilterTest& into);
    [[nodiscard]] Result<void> json_path(FilterTest& into);
    [[nodiscard]] Result<JsonStep> json_step();
    [[nodiscard]] Result<void> comparison(FilterTest& into);
    [[nodiscard]] Result<void> likeness(FilterTest& into);
    [[nodiscard]] Result<void> list(FilterTest& into);
    [[nodiscard]] Result<FilterLiteral> literal(const FilterTest& of);
    [[nodiscard]] Result<Part> finish(FilterTest test, std::size_t at);

    using Grammar = Result<Part> (FilterParser::*)(std::size_t);
    [[nodiscard]] Result<Part> joined(FilterNode::Kind kind, std::string_view symbol,
                                      std::string_view word, Grammar part, std::size_t depth);
    void lay_out(const Part& part);

    [[nodiscard]] Result<void> advance();
    [[nodiscard]] bool is(std::string_view symbol_or_name) const;
    // Takes it, if it is there.
    [[nodiscard]] Result<bool> accept(std::string_view symbol_or_name);
    [[nodiscard]] Result<void> expect(std::string_view symbol);
    [[nodiscard]] Error invalid(const std::string& why) const;
    [[nodiscard]] Error too_expensive(std::size_t at, const std::string& why) const;

    FilterLexer lexer_;
    FilterToken token_;
    Filter* filter_ = nullptr;
};

}  // namespace casc::broker
