// Where a text ends that must not contain some strings, and what of it can be shown before that is
// known.

#include <casc/gpu/stop_matcher.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace casc::gpu {
namespace {

struct StoppedText {
    std::string text;
    bool stopped;
    bool operator==(const StoppedText&) const = default;
};

// By looking at every end.
StoppedText stopped_by_search(const std::string& text, const std::vector<std::string>& stops) {
    for (std::size_t end = 1; end <= text.size(); ++end) {
        std::size_t longest = 0;
        for (const std::string& stop : stops)
            if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
        if (longest != 0) return {text.substr(0, end - longest), true};
    }
    return {text, false};
}

StoppedText stopped_in_pieces(const std::string& text, const std::vector<std::string>& stops,
                              std::size_t piece_bytes) {
    StopMatcher matcher(stops);
    std::string shown;
    for (std::size_t at = 0; at < text.size(); at += piece_bytes)
        shown += matcher.push(text.substr(at, piece_bytes));
    shown += matcher.finish();
    return {shown, matcher.matched()};
}

}  // namespace

TEST_CASE("gpu/stop_matcher: without stop strings everything is certain at once") {
    StopMatcher matcher({});
    CHECK(matcher.push("abc") == "abc");
    CHECK(matcher.push("") == "");
    CHECK(matcher.finish() == "");
    CHECK_FALSE(matcher.matched());
}

TEST_CASE("gpu/stop_matcher: what may be a beginning is held back until it is known") {
    StopMatcher matcher({"\nUser:"});
    CHECK(matcher.push("Paris.\nUs") == "Paris.");
    CHECK(matcher.push("e") == "");
    CHECK(matcher.push("ful") == "\nUseful");
    CHECK(matcher.push("!\nUser") == "!");
    CHECK(matcher.push(": next") == "");
    CHECK(matcher.matched());
    CHECK(matcher.push("more") == "");
    CHECK(matcher.finish() == "");
}

TEST_CASE("gpu/stop_matcher: what was held back at the end belongs to the text") {
    StopMatcher matcher({"END"});
    CHECK(matcher.push("the EN") == "the ");
    CHECK(matcher.finish() == "EN");
    CHECK(matcher.finish() == "");
    CHECK_FALSE(matcher.matched());
}

TEST_CASE("gpu/stop_matcher: a string that overlaps itself is found where it is first complete") {
    CHECK(stopped_in_pieces("aaab", {"aab"}, 1) == StoppedText{"a", true});
    CHECK(stopped_in_pieces("abababc", {"ababc"}, 1) == StoppedText{"ab", true});
    CHECK(stopped_in_pieces("aaaa", {"aa"}, 4) == StoppedText{"", true});
    CHECK(stopped_in_pieces("abab", {"ababc"}, 1) == StoppedText{"abab", false});
}

TEST_CASE("gpu/stop_matcher: of several the first to be complete ends the text, then the longest") {
    CHECK(stopped_in_pieces("one two three", {"three", "two"}, 3) == StoppedText{"one ", true});
    CHECK(stopped_in_pieces("abcd", {"abcde", "bc"}, 2) == StoppedText{"a", true});
    CHECK(stopped_in_pieces("xabc", {"bc", "abc", "c"}, 1) == StoppedText{"x", true});
}

TEST_CASE("gpu/stop_matcher: random texts end where a search ends them, however they are cut") {
    std::mt19937 random(11);
    const auto word = [&](std::size_t bytes_max) {
        std::string text(random() % bytes_max + 1, ' ');
        for (char& byte : text)
            byte = static_cast<char>('a' + random() % 2);
        return text;
    };
    int stopped = 0;
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::string> stops;
        for (std::size_t i = random() % 4; i > 0; --i)
            stops.push_back(word(8));
        const std::string text = word(40);
        const StoppedText expected = stopped_by_search(text, stops);
        stopped += expected.stopped ? 1 : 0;
        for (const std::size_t piece_bytes : {1u, 2u, 3u, 7u, 64u})
            REQUIRE(stopped_in_pieces(text, stops, piece_bytes) == expected);
    }
    CHECK(stopped > 500);
    CHECK(stopped < 1900);
}

TEST_CASE("gpu/stop_matcher: nothing is held back that cannot become a stop string") {
    const std::vector<std::string> stops{"abba", "bab", "cc"};
    std::size_t held_longest = 0;
    for (unsigned seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        std::string text;
        std::string shown;
        StopMatcher matcher(stops);
        while (!matcher.matched()) {
            const char byte = static_cast<char>('a' + random() % 3);
            text += byte;
            shown += matcher.push(std::string(1, byte));
            if (matcher.matched()) break;
            const std::string held = text.substr(shown.size());
            held_longest = std::max(held_longest, held.size());
            CHECK(std::ranges::any_of(
                stops, [&](const std::string& stop) { return stop.starts_with(held); }));
        }
        CHECK(text.starts_with(shown));
        CHECK(std::ranges::find(stops, text.substr(shown.size())) != stops.end());
    }
    CHECK(held_longest == 3);
}

}  // namespace casc::gpu
