// JSON of a model's files: what is read, and what is refused with its place.

#include "model/json.hpp"

#include <doctest/doctest.h>

using namespace casc;
using casc::gpu::Json;

namespace {

Json parsed(std::string_view text) {
    auto json = Json::parse(text);
    REQUIRE_MESSAGE(json, text);
    return std::move(*json);
}
// What is wrong with it.
std::string json_trouble(std::string_view text, const Json::Limits& limits = {}) {
    const auto json = Json::parse(text, limits);
    if (json) return "nothing";
    CHECK(json.error().code == ErrorCode::model_unusable);
    return json.error().detail;
}

}  // namespace

TEST_CASE("gpu/json: values of every kind are read as what they are, and as nothing else") {
    const Json json = parsed(R"( {"a": [1, -2.5, 1e3, true, null], "b": {"c": "d"}} )");
    const Json* const a = json.find("a");
    REQUIRE(a);
    REQUIRE(a->as_array());
    const auto& items = *a->as_array();
    REQUIRE(items.size() == 5);
    CHECK(items[0].as_count() == 1);
    CHECK(items[0].as_number() == 1.0);
    CHECK(items[1].as_number() == -2.5);
    CHECK_FALSE(items[1].as_count());
    CHECK(items[2].as_number() == 1000.0);
    CHECK_FALSE(items[2].as_count());  // it was not written as one
    CHECK(items[3].as_bool() == true);
    CHECK(items[4].is_null());
    CHECK_FALSE(items[3].as_text());
    CHECK(*json.find("b")->find("c")->as_text() == "d");
    CHECK_FALSE(json.find("c"));
    CHECK_FALSE(items[0].find("a"));
    CHECK(parsed("18446744073709551615").as_count() == ~std::uint64_t{0});
    CHECK_FALSE(parsed("18446744073709551616").as_count());  // a double
    CHECK(parsed("[]").as_array()->empty());
    CHECK(parsed("{}").as_object()->empty());
}

TEST_CASE("gpu/json: escapes are characters") {
    CHECK(*parsed(R"("\"\\\/\b\f\n\r\t")").as_text() == "\"\\/\b\f\n\r\t");
    CHECK(*parsed(R"("\u0041\u00e4\u20AC\ud83d\ude00")").as_text() == "Aä€😀");
    CHECK(*parsed("\"ä€😀\"").as_text() == "ä€😀");
    CHECK(*parsed(R"("\u0000")").as_text() == std::string(1, '\0'));
}

TEST_CASE("gpu/json: what is not JSON is refused, with its place") {
    CHECK(json_trouble("[1, x]") == "JSON with something that is no value at byte 4");
    for (const char* text : {"",          " ",
                             "[",         "[1",
                             "[1,",       "[1,]",
                             "[,]",       "{",
                             "{\"a\"",    "{\"a\":",
                             "{\"a\":1",  "{\"a\":1,}",
                             "{a:1}",     "{1:1}",
                             "tru",       "nulL",
                             "1 2",       "[1]]",
                             "01",        "-",
                             "1.",        ".5",
                             "1e",        "1e+",
                             "+1",        "0x1",
                             "NaN",       "Infinity",
                             "1e999",     "\"",
                             "\"a",       "\"\\x\"",
                             "\"\\u12\"", "\"\\u12g4\"",
                             "\"\n\"",    "'a'",
                             "//",        "{\"a\":1,\"a\":2}"}) {
        CAPTURE(text);
        CHECK(json_trouble(text) != "nothing");
    }
}

TEST_CASE("gpu/json: a name that is there twice is found among thousands, however it is written") {
    std::string text = "{";
    for (int i = 0; i < 5000; ++i)
        text += "\"name " + std::to_string(i * 7919 % 5000) + "\":0,";
    CHECK(json_trouble(text + R"("name":0})") == "nothing");
    CHECK(json_trouble(text + R"("\u006eame 4321":0})")
              .starts_with("JSON with a name that is there twice"));
    // In another object it is another.
    CHECK(json_trouble(R"({"a":{"a":1,"b":{"a":2}},"b":3})") == "nothing");
    CHECK(json_trouble(R"({"a":{"a":1,"b":2,"a":3}})")
              .starts_with("JSON with a name that is there twice"));
}

TEST_CASE("gpu/json: half a character is none") {
    for (const char* text :
         {R"("\ud83d")", R"("\ud83dx")", R"("\ud83d\u0041")", R"("\ude00")", "\"\xff\"",
          "\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
          "\"\xc3\"", "\"\xe2\x82\"", "\"\xf0\x9f\x98\""}) {
        CAPTURE(text);
        CHECK(json_trouble(text) != "nothing");
    }
}

TEST_CASE("gpu/json: a small text does not become a large tree") {
    CHECK(json_trouble(std::string(32, '[') + std::string(32, ']')) == "nothing");
    CHECK(json_trouble(std::string(32, '[') + "0" + std::string(32, ']')) == "nothing");
    CHECK(json_trouble(std::string(33, '[') + std::string(33, ']'))
              .starts_with("JSON with too many brackets"));
    CHECK(json_trouble(std::string(100'000, '[')).starts_with("JSON with too many brackets"));
    std::string many = "[0";
    for (int i = 0; i < 100; ++i)
        many += ",0";
    CHECK(json_trouble(many + "]", {.values_max = 102}) == "nothing");
    CHECK(json_trouble(many + "]", {.values_max = 101}).starts_with("JSON with too many values"));
}
