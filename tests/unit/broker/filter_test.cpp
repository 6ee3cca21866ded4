// Filters: what they mean, what is refused and where, and random ones against a plain evaluator.

#include "filter.hpp"

#include "batch_summaries.hpp"
#include "filter_match.hpp"

#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace casc;
using namespace casc::broker;

namespace {

struct TestEvent {
    std::string payload = "{}";
    std::optional<std::string> key{};
    std::string type{};
    std::string source{};
    std::string correlation_id{};
    std::string destination{};
    std::vector<std::pair<std::string, std::string>> headers{};
};

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

std::vector<std::byte> batch_of_events(const std::vector<TestEvent>& events,
                                       Lane lane = Lane::normal) {
    wire::BatchBuilder builder(lane);
    for (const TestEvent& event : events) {
        std::vector<wire::HeaderInput> headers;
        for (const auto& [name, value] : event.headers)
            headers.push_back({name, value});
        wire::EventInput input{.payload = bytes_of(event.payload), .headers = headers};
        if (event.key) input.key = bytes_of(*event.key);
        input.type = event.type;
        input.source = event.source;
        input.correlation_id = event.correlation_id;
        input.destination = event.destination;
        builder.add(input, EpochNanos(1));
    }
    std::vector<std::byte> bytes;
    builder.finish({}, bytes);
    return bytes;
}

Filter parsed(const std::string& text) {
    auto filter = Filter::parse(text);
    REQUIRE_MESSAGE(filter, filter.error().message());
    return *std::move(filter);
}

// A yes or no for each event.
std::vector<bool> matching(const Filter& filter, const std::vector<std::byte>& bytes) {
    const auto batch = wire::BatchView::parse(bytes);
    REQUIRE(batch);
    static FilterMatcher matcher;
    const OpenPayloads open = [&] { return std::optional(batch->stored_payloads()); };
    std::vector<bool> list;
    for (std::uint32_t word = 0; word * 64 < batch->event_count(); ++word) {
        const std::uint32_t here = std::min(64u, batch->event_count() - word * 64);
        const std::uint64_t all = ~std::uint64_t{0} >> (64 - here);
        const std::uint64_t bits = matcher.match(filter, *batch, word, all, open);
        CHECK((bits & ~all) == 0);
        for (std::uint32_t bit = 0; bit < here; ++bit)
            list.push_back((bits >> bit & 1u) != 0);
    }
    return list;
}

bool matches(const std::string& text, const TestEvent& event, Lane lane = Lane::normal) {
    return matching(parsed(text), batch_of_events({event}, lane)).front();
}

struct Refusal {
    ErrorCode code;
    std::string detail;
};
Refusal refused(const std::string& text) {
    const auto filter = Filter::parse(text);
    REQUIRE_FALSE(filter);
    return {filter.error().code, filter.error().detail};
}

}  // namespace

TEST_CASE("broker/filter: looks at every field") {
    const TestEvent event{.payload = R"({"amount":120,"who":{"name":"Anna"},"tags":["a","b"]})",
                          .key = "k1",
                          .type = "order.created",
                          .source = "shop",
                          .correlation_id = "c-7",
                          .destination = "stock",
                          .headers = {{"region", "eu"}, {"weight", "12.5"}, {"casc-x y", "z"}}};
    for (const char* yes :
         {R"(type == "order.created")",
          R"(key == 'k1')",
          R"(source == "shop")",
          R"(correlation_id == "c-7")",
          R"(destination == "stock")",
          R"(lane == "normal")",
          R"(lane in ("high", "normal"))",
          R"(lane != "low")",
          R"(header.region == "eu")",
          R"(header["casc-x y"] == "z")",
          R"(header.weight == 12.5)",
          R"(header.weight >= 12)",
          R"(json.amount == 120)",
          R"(json.amount == 120.0)",
          R"(json.amount > 119.5)",
          R"(json.who.name == "Anna")",
          R"(json["who"]["name"] =~ prefix "An")",
          R"(json.tags[1] == "b")",
          R"(has json.tags)",
          R"(has json)",
          R"(has key)",
          R"(type =~ suffix ".created" && header.region in ("eu","us") && json.amount >= 100)",
          R"(type =~ contains "er.cr")",
          R"(not (type == "x") and !(key == "y"))",
          R"(type == "x" || key == "k1")",
          R"(json.amount not in (1, 2))",
          R"(header.region not in ("us"))",
          R"(source < "shoq" && source >= "shop")"})
        CHECK_MESSAGE(matches(yes, event), yes);
    for (const char* no :
         {R"(type == "order")", R"(key == "k")", R"(lane == "low")", R"(header.none == "eu")",
          R"(header.none != "eu")", R"(json.none != 1)", R"(json.amount == "120")",
          R"(json.amount < 120)", R"(json.tags[2] == "b")", R"(has header.none)",
          R"(header.region == 5)", R"(type =~ prefix "created")", R"(json.who == "Anna")",
          R"(json.tags > 5)", R"(key > "k1")", R"(json.amount =~ prefix "1")"})
        CHECK_MESSAGE(!matches(no, event), no);
}

TEST_CASE("broker/filter: what an event does not have matches no test, and every negation of one") {
    const TestEvent nothing{.payload = "not JSON at all"};
    for (const char* test :
         {R"(type == "x")", R"(type != "x")", R"(key == "")", R"(has key)", R"(has type)",
          R"(source < "x")", R"(header.a != "1")", R"(json.a != 1)", R"(json.a == null)",
          R"(json.a in (1,2))", R"(json.a not in (1,2))"}) {
        CHECK_MESSAGE(!matches(test, nothing), test);
        CHECK_MESSAGE(matches("!(" + std::string(test) + ")", nothing), test);
    }
    CHECK(matches(R"(key == "")", {.key = ""}));
    CHECK(matches(R"(has key)", {.key = ""}));
}

TEST_CASE("broker/filter: numbers are compared as what they are") {
    const TestEvent large{.payload = R"({"id":9007199254740993,"f":0.1,"e":1e3,"big":1e300})"};
    CHECK(matches("json.id == 9007199254740993", large));
    CHECK_FALSE(matches("json.id == 9007199254740992", large));
    CHECK(matches("json.id > 9007199254740992", large));
    CHECK(matches("json.f == 0.1", large));
    CHECK(matches("json.e == 1000", large));
    CHECK(matches("json.big > 9223372036854775807", large));
    CHECK(matches("json.f > -1", large));
}

TEST_CASE("broker/filter: values of JSON have kinds") {
    const TestEvent event{.payload = R"({"t":true,"f":false,"z":null,"s":"a\u0062c\n"})"};
    CHECK(matches("json.t == true && json.f == false && json.z == null", event));
    CHECK(matches("json.t != false && json.t != 1 && json.z != 0", event));
    CHECK_FALSE(matches("json.t == false || json.z == false || json.f == null", event));
    CHECK(
        matches(R"(json.s == "abc\n" && json.s =~ prefix "ab" && json.s =~ contains "bc")", event));
    CHECK(matches(R"(json.s in (1, null, "abc\n"))", event));
}

TEST_CASE("broker/filter: of headers with one name any may match") {
    const TestEvent event{.headers = {{"tag", "a"}, {"tag", "b"}}};
    CHECK(matches(R"(header.tag == "a" && header.tag == "b")", event));
    CHECK_FALSE(matches(R"(header.tag == "c")", event));
}

TEST_CASE("broker/filter: what is not valid is refused, with the place") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "at 1: "},
        {"   ", "at 4: "},
        {"type", "at 5: "},
        {"type ==", "at 8: "},
        {"type == x", "at 9: "},
        {"colour == 1", "at 1: "},
        {"type == \"a\" type", "at 13: "},
        {"type == \"a\" &&", "at 15: "},
        {"(type == \"a\"", "at 13: "},
        {"type == \"a", "at 9: "},
        {"type = \"a\"", "at 6: "},
        {"type =~ \"a\"", "at 9: "},
        {"type =~ prefix 5", "at 16: "},
        {"type in \"a\"", "at 9: "},
        {"type in ()", "at 10: "},
        {"type in (\"a\",)", "at 14: "},
        {"type not (\"a\")", "at 10: "},
        {"header == 1", "at 8: "},
        {"header[0] == 1", "at 11: "},
        {"json.a[1.5] == 1", "at 8: "},
        {"json.a[-1] == 1", "at 8: "},
        {"json. == 1", "at 7: "},
        {"json.a > true", "at 10: "},
        {"type == true", "at 9: "},
        {"lane == \"fast\"", "at 9: "},
        {"lane > \"low\"", "at 8: "},
        {"json.a == 1.2.3", "at 11: "},
        {"json.a == 1 $", "at 13: "},
        {"has", "at 4: "},
    };
    for (const auto& one : cases) {
        CAPTURE(one.first);
        const Refusal refusal = refused(one.first);
        CHECK(refusal.code == ErrorCode::invalid_filter);
        CHECK_MESSAGE(refusal.detail.starts_with(one.second), refusal.detail);
    }
}

TEST_CASE("broker/filter: what is too much is refused, with the place") {
    const auto repeated = [](const std::string& text, const std::string& between, int times) {
        std::string sum = text;
        for (int i = 1; i < times; ++i)
            sum += between + text;
        return sum;
    };
    const auto too_expensive = [](const std::string& text) {
        CAPTURE(text);
        CHECK(refused(text).code == ErrorCode::filter_too_expensive);
    };
    too_expensive("key == \"" + std::string(Filter::kTextBytesMax, 'x') + "\"");
    too_expensive(repeated("(", "", 17) + "has key" + repeated(")", "", 17));
    too_expensive(repeated("!", "", 17) + "has key");
    too_expensive("key in (" + repeated("1", ",", 257) + ")");
    too_expensive("json" + repeated(".a", "", 17) + " == 1");
    too_expensive(repeated("has key", "||", 257));
    too_expensive(repeated("json.a == 1", "||", 17));
    std::string places = "has json.p0";
    for (int i = 1; i < 9; ++i)
        places += " || has json.p" + std::to_string(i);
    too_expensive(places);
    CHECK(Filter::parse("key in (" + repeated("1", ",", 256) + ")"));
    CHECK(Filter::parse(repeated("(", "", 16) + "has key" + repeated(")", "", 16)));
    CHECK(Filter::parse(repeated("json.a == 1", "||", 16)));
}

TEST_CASE("broker/filter: payloads are not asked for when the columns decide") {
    const auto bytes = batch_of_events({{.type = "a"}, {.type = "b"}});
    const auto batch = wire::BatchView::parse(bytes);
    FilterMatcher matcher;
    int opened = 0;
    const OpenPayloads open = [&] {
        ++opened;
        return std::optional(batch->stored_payloads());
    };
    CHECK(matcher.match(parsed(R"(json.x == 1 && type == "c")"), *batch, 0, 3, open) == 0);
    CHECK(opened == 0);
    CHECK(matcher.match(parsed(R"(has json && type == "b")"), *batch, 0, 3, open) == 2);
    CHECK(opened == 1);
    CHECK(matcher.match(parsed(R"(has json && has json.x)"), *batch, 0, 3,
                        [] { return std::optional<std::span<const std::byte>>(); }) == 3);
}

// ---- random filters -----------------------------------------------------------------------------

namespace {

using Plain = std::function<bool(const TestEvent&)>;
struct RandomFilter {
    std::string text;
    Plain plain;
};

struct Generator {
    std::mt19937 random;

    std::size_t below(std::size_t bound) { return random() % bound; }
    std::string word() { return std::string(1, static_cast<char>('a' + below(4))); }

    RandomFilter test() {
        const std::string value = word();
        switch (below(6)) {
            case 0:
                return {"type == \"" + value + "\"",
                        [=](const TestEvent& e) { return e.type == value; }};
            case 1:
                return {"key != \"" + value + "\"",
                        [=](const TestEvent& e) { return e.key && *e.key != value; }};
            case 2:
                return {"header.h in (\"" + value + "\", \"zz\")", [=](const TestEvent& e) {
                            for (const auto& [name, text] : e.headers)
                                if (name == "h" && text == value) return true;
                            return false;
                        }};
            case 3: {
                const int bound = static_cast<int>(below(10));
                return {"json.n < " + std::to_string(bound), [=](const TestEvent& e) {
                            const auto at = e.payload.rfind("\"n\":");
                            return at != std::string::npos &&
                                   std::stoi(e.payload.substr(at + 4)) < bound;
                        }};
            }
            case 4:
                return {"source =~ prefix \"" + value + "\"",
                        [=](const TestEvent& e) { return e.source.starts_with(value); }};
            default:
                return {"has key", [](const TestEvent& e) { return e.key.has_value(); }};
        }
    }
    RandomFilter any(std::size_t depth) {
        const std::size_t choice = depth == 0 ? 0 : below(4);
        if (choice == 0) return test();
        const RandomFilter a = any(depth - 1);
        if (choice == 1)
            return {"!(" + a.text + ")", [a](const TestEvent& e) { return !a.plain(e); }};
        const RandomFilter b = any(depth - 1);
        if (choice == 2)
            return {"(" + a.text + " && " + b.text + ")",
                    [a, b](const TestEvent& e) { return a.plain(e) && b.plain(e); }};
        return {"(" + a.text + " or " + b.text + ")",
                [a, b](const TestEvent& e) { return a.plain(e) || b.plain(e); }};
    }
    TestEvent event() {
        TestEvent made;
        if (below(3) != 0)
            made.payload = "{\"m\":{\"n\":3},\"n\":" + std::to_string(below(10)) + "}";
        if (below(2) != 0) made.key = word();
        if (below(2) != 0) made.type = word();
        if (below(2) != 0) made.source = word() + word();
        for (std::size_t i = below(3); i > 0; --i)
            made.headers.emplace_back(below(2) != 0 ? "h" : "g", word());
        return made;
    }
};

}  // namespace

TEST_CASE("broker/filter: random filters agree with a plain evaluator") {
    Generator generator{std::mt19937(7)};
    int yes = 0;
    int no = 0;
    for (int round = 0; round < 2000; ++round) {
        const RandomFilter filter = generator.any(4);
        std::vector<TestEvent> events(1 + generator.below(150));
        for (TestEvent& event : events)
            event = generator.event();
        const auto found = matching(parsed(filter.text), batch_of_events(events));
        CAPTURE(filter.text);
        for (std::size_t i = 0; i < events.size(); ++i) {
            REQUIRE(found[i] == filter.plain(events[i]));
            ++(found[i] ? yes : no);
        }
    }
    CHECK(yes > 10'000);
    CHECK(no > 10'000);
}

TEST_CASE("broker/filter: a summary never rules out a batch in which something matches") {
    Generator generator{std::mt19937(9)};
    BatchSummaries summaries;
    int ruled_out = 0;
    for (std::uint64_t round = 0; round < 3000; ++round) {
        std::vector<TestEvent> events(1 + generator.below(5));
        for (TestEvent& event : events)
            event = generator.event();
        auto bytes = batch_of_events(events);
        wire::stamp_batch(bytes, Offset(round * 10), EpochNanos(1), round, 1);
        const auto batch = wire::BatchView::parse(bytes);
        REQUIRE(batch);
        const LogId log(TopicId(1), PartitionId(0), Lane::normal);
        for (int readers = 0; readers < 4; ++readers) {
            const RandomFilter filter = generator.any(3);
            const Filter program = parsed(filter.text);
            if (!summaries.rule_out(program, log, *batch)) continue;
            ++ruled_out;
            CAPTURE(filter.text);
            for (const TestEvent& event : events)
                REQUIRE_FALSE(filter.plain(event));
        }
    }
    CHECK(ruled_out > 100);
}

TEST_CASE("broker/filter: the summary of a part of a batch does not speak for the whole") {
    std::vector<TestEvent> events(2);
    events[0].type = "a";
    events[1].type = "b";
    auto whole = batch_of_events(events);
    auto part = batch_of_events({events[0]});
    wire::stamp_batch(whole, Offset(7), EpochNanos(1), 1, 1);
    wire::stamp_batch(part, Offset(7), EpochNanos(1), 1, 1);
    const LogId log(TopicId(1), PartitionId(0), Lane::normal);
    BatchSummaries summaries;
    const Filter program = parsed("type == \"b\"");
    CHECK_FALSE(summaries.rule_out(program, log, *wire::BatchView::parse(part)));
    CHECK(summaries.rule_out(program, log, *wire::BatchView::parse(part)));
    for (int readers = 0; readers < 3; ++readers)
        CHECK_FALSE(summaries.rule_out(program, log, *wire::BatchView::parse(whole)));
}
