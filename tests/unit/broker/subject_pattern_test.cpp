// Which names a pattern matches, against a matcher that is slow and plain.

#include "subject_pattern.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace casc;
using namespace casc::broker;

namespace {

bool matches(std::string_view pattern, std::string_view name) {
    const auto parsed = SubjectPattern::parse(pattern);
    REQUIRE_MESSAGE(parsed, parsed.error().message());
    return parsed->matches(name);
}

ErrorCode refusal(std::string_view pattern) {
    const auto parsed = SubjectPattern::parse(pattern);
    return parsed ? ErrorCode::ok : parsed.error().code;
}

std::string must_parse_prefix(std::string_view pattern) {
    const auto parsed = SubjectPattern::parse(pattern);
    REQUIRE(parsed);
    return std::string(parsed->prefix());
}

std::vector<std::string> tokens_of(const std::string& text) {
    std::vector<std::string> tokens{""};
    for (const char c : text)
        if (c == '.')
            tokens.emplace_back();
        else
            tokens.back().push_back(c);
    return tokens;
}

bool plainly_matches(const std::string& pattern, const std::string& name) {
    const auto wanted = tokens_of(pattern);
    const auto there = tokens_of(name);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (i >= there.size()) return false;
        if (wanted[i] == ">") return true;
        if (wanted[i] != "*" && wanted[i] != there[i]) return false;
    }
    return wanted.size() == there.size();
}

}  // namespace

TEST_CASE("broker/subject_pattern: '*' is one token, '>' the rest and at least one") {
    CHECK(matches("orders.*", "orders.eu"));
    CHECK_FALSE(matches("orders.*", "orders"));
    CHECK_FALSE(matches("orders.*", "orders.eu.paid"));
    CHECK(matches("orders.*.paid", "orders.eu.paid"));
    CHECK_FALSE(matches("orders.*.paid", "orders.eu.sent"));
    CHECK(matches("orders.>", "orders.eu"));
    CHECK(matches("orders.>", "orders.eu.paid.twice"));
    CHECK_FALSE(matches("orders.>", "orders"));
    CHECK_FALSE(matches("orders.>", "ordersx.eu"));
    CHECK(matches(">", "anything"));
    CHECK(matches("*", "anything"));
    CHECK_FALSE(matches("*", "any.thing"));
    CHECK(matches("*.*.>", "a.b.c"));
    CHECK_FALSE(matches("*.*.>", "a.b"));
    CHECK(matches("orders", "orders"));
    CHECK_FALSE(matches("orders", "orders.eu"));
}

TEST_CASE("broker/subject_pattern: a wildcard where none can be is refused") {
    CHECK(refusal("a*") == ErrorCode::invalid_pattern);
    CHECK(refusal("a.b*.c") == ErrorCode::invalid_pattern);
    CHECK(refusal("a.>.c") == ErrorCode::invalid_pattern);
    CHECK(refusal(">.a") == ErrorCode::invalid_pattern);
    CHECK(refusal("a.>>") == ErrorCode::invalid_pattern);
    CHECK(refusal("a.**") == ErrorCode::invalid_pattern);
    CHECK(refusal("a..*") == ErrorCode::invalid_pattern);
    CHECK(refusal("*.") == ErrorCode::invalid_pattern);
    CHECK(refusal("") == ErrorCode::invalid_request);
    CHECK(refusal(".*") == ErrorCode::invalid_request);
    CHECK(refusal("a b.*") == ErrorCode::invalid_request);
    CHECK(refusal(std::string(250, 'a')) == ErrorCode::invalid_request);
    CHECK(refusal("a.b-c_d.9") == ErrorCode::ok);
}

TEST_CASE("broker/subject_pattern: every name that matches begins with the prefix") {
    CHECK(must_parse_prefix("orders.eu.*") == "orders.eu.");
    CHECK(must_parse_prefix("*.eu") == "");
    CHECK(must_parse_prefix("orders.>") == "orders.");
    CHECK(must_parse_prefix("orders") == "orders");
}

TEST_CASE("broker/subject_pattern: agrees with the plain matcher on random names") {
    std::mt19937 random(20);
    const auto text = [&](std::initializer_list<const char*> choices) {
        std::string made;
        for (std::size_t i = 0, count = 1 + random() % 4; i < count; ++i) {
            if (i != 0) made += '.';
            made += *(choices.begin() + random() % choices.size());
        }
        return made;
    };
    int matching = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string pattern = text({"a", "b", "ab", "*"});
        if (random() % 3 == 0) pattern += ".>";
        const std::string name = text({"a", "b", "ab", "c"});
        CAPTURE(pattern);
        CAPTURE(name);
        const bool wanted = plainly_matches(pattern, name);
        matching += wanted ? 1 : 0;
        REQUIRE(SubjectPattern::parse(pattern)->matches(name) == wanted);
    }
    CHECK(matching > 1000);
}
