// Values found in JSON without a tree, in good texts and in bad ones.

#include "json_path.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace casc;
using namespace casc::broker;

namespace {

JsonStep member(std::string name) {
    return {.key = std::move(name)};
}
JsonStep element(std::uint32_t index) {
    return {.index = index, .is_index = true};
}

JsonValue value_in(std::string_view text, const std::vector<JsonStep>& path) {
    // Of exactly its size, so that a sanitizer sees a look past the end.
    const std::vector<char> copy(text.begin(), text.end());
    JsonValue value;
    find_json({copy.data(), copy.size()}, path, value);
    if (value.raw.data() != nullptr)
        value.raw =
            text.substr(static_cast<std::size_t>(value.raw.data() - copy.data()), value.raw.size());
    return value;
}

}  // namespace

TEST_CASE("broker/json_path: finds values of every kind") {
    const std::string_view text =
        R"( { "skip" : {"a":[1,{"b":"}"}]}, "n" : -1.5e3 , "t":"x", "y":true,"f":false, "z":null,
              "o":{"deep":{"er":"here"}}, "l":[10,[20],{"k":"v"}, "s"] } )";
    CHECK(value_in(text, {member("n")}).raw == "-1.5e3");
    CHECK(value_in(text, {member("n")}).kind == JsonKind::number);
    CHECK(value_in(text, {member("t")}).raw == "x");
    CHECK(value_in(text, {member("y")}).truth);
    CHECK(value_in(text, {member("f")}).kind == JsonKind::boolean);
    CHECK_FALSE(value_in(text, {member("f")}).truth);
    CHECK(value_in(text, {member("z")}).kind == JsonKind::null);
    CHECK(value_in(text, {member("o")}).kind == JsonKind::object);
    CHECK(value_in(text, {member("l")}).kind == JsonKind::array);
    CHECK(value_in(text, {member("o"), member("deep"), member("er")}).raw == "here");
    CHECK(value_in(text, {member("l"), element(0)}).raw == "10");
    CHECK(value_in(text, {member("l"), element(1), element(0)}).raw == "20");
    CHECK(value_in(text, {member("l"), element(2), member("k")}).raw == "v");
    CHECK(value_in(text, {member("l"), element(3)}).raw == "s");
    CHECK(value_in("17", {}).raw == "17");
}

TEST_CASE("broker/json_path: what is not there is missing") {
    for (const auto& path : std::vector<std::vector<JsonStep>>{{member("none")},
                                                               {member("n"), member("x")},
                                                               {element(0)},
                                                               {member("l"), element(2)},
                                                               {member("l"), member("0")},
                                                               {member("o"), element(0)}})
        CHECK(value_in(R"({"n":1,"l":[1,2],"o":{}})", path).kind == JsonKind::missing);
    CHECK(value_in("[]", {element(0)}).kind == JsonKind::missing);
    CHECK(value_in("", {}).kind == JsonKind::missing);
}

TEST_CASE("broker/json_path: a text ends at its quote, wherever that lies and whatever is in it") {
    // Texts are walked in words; these are what looks most like a quote or a backslash in one.
    for (const char filler : {'x', '!', '#', '[', ']', '\xA2', '\xDC', '\x01', '\xFF', '\0'})
        for (std::size_t length = 0; length <= 40; ++length) {
            const std::string plain(length, filler);
            const std::string text =
                "{\"" + plain + "\":[\"" + plain + "\"],\"a\":\"" + plain + "\"}";
            CAPTURE(filler);
            CAPTURE(length);
            CHECK(value_in(text, {member("a")}).raw == plain);
            CHECK_FALSE(value_in(text, {member("a")}).escaped);
            CHECK(value_in(text, {member(plain), element(0)}).raw == plain);
            for (std::size_t at = 0; at < length; ++at) {
                std::string escaped = plain;
                escaped.replace(at, 1, "\\\"");
                const std::string list = "[\"" + escaped + "\",7]";
                CHECK(value_in(list, {element(0)}).raw == escaped);
                CHECK(value_in(list, {element(0)}).escaped);
                CHECK(value_in(list, {element(1)}).raw == "7");
            }
        }
}

TEST_CASE("broker/json_path: the first of members with one name counts") {
    CHECK(value_in(R"({"a":1,"a":2})", {member("a")}).raw == "1");
}

TEST_CASE("broker/json_path: a text that is no JSON does no harm") {
    for (const std::string_view text :
         {"{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":}", "{\"a\":\"x", "{\"b\":[[[[", "{\"b\":1",
          "{\"b\":\"\\", "nonsense", "{]", "{\"b\":tru,\"a\"", "{'a':1}", "\"a\":1", "{\"a\":nope}",
          "{\"a\":+1}"})
        CHECK(value_in(text, {member("a")}).kind == JsonKind::missing);
    // Deep as it is: it takes no more than the time to read it.
    const std::string deep(1'000'000, '[');
    CHECK(value_in(deep, {member("a")}).kind == JsonKind::missing);
    CHECK(value_in("{\"b\":" + deep + ",\"a\":1}", {member("a")}).kind == JsonKind::missing);
}

TEST_CASE("broker/json_path: escapes mean what they say") {
    std::string into;
    CHECK(unescape_json(R"(a\"b\\c\/d\n\t\u0041\u00e9\u20AC\ud83d\ude00)", into));
    CHECK(into == "a\"b\\c/d\n\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    for (const std::string_view bad :
         {R"(\x)", R"(\u12)", R"(\uZZZZ)", R"(\ud83d)", R"(\ud83dx)", R"(\ude00)", "\\"})
        CHECK_FALSE(unescape_json(bad, into));
    CHECK(value_in(R"({"a\u0062":7})", {member("ab")}).raw == "7");
    CHECK(value_in(R"({"a":"x\"y"})", {member("a")}).escaped);
    CHECK(value_in(R"({"a":"x\"y"})", {member("a")}).raw == R"(x\"y)");
}
