// How texts are cut into words, as the regular expressions of the published tokenisers say it.

#include "odd_text.hpp"
#include "tokenizer/word_pattern.hpp"

#include <casc/types/utf8.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace casc;
using namespace casc::gpu;

namespace {

using PatternWords = std::vector<std::string>;

PatternWords words_of(WordPattern pattern, std::string_view text) {
    PatternWords words;
    while (!text.empty()) {
        const std::size_t bytes = first_word_bytes(pattern, text);
        REQUIRE(bytes > 0);
        REQUIRE(bytes <= text.size());
        words.emplace_back(text.substr(0, bytes));
        text.remove_prefix(bytes);
    }
    return words;
}

}  // namespace

TEST_CASE("gpu/tokenizer: GPT-2's words take the space before them") {
    const auto words = [](std::string_view text) { return words_of(WordPattern::gpt2, text); };
    CHECK(words("Hello world, it's 2026!") ==
          PatternWords{"Hello", " world", ",", " it", "'s", " 2026", "!"});
    CHECK(words("I'LL we'll they're I've I'd can't I'm") ==
          PatternWords{"I", "'", "LL", " we", "'ll", " they", "'re", " I", "'ve", " I", "'d",
                       " can", "'t", " I", "'m"});
    CHECK(words("a  b   \n c") == PatternWords{"a", " ", " b", "   \n", " c"});
    CHECK(words("a \t") == PatternWords{"a", " \t"});
    CHECK(words("a\tb") == PatternWords{"a", "\t", "b"});
    CHECK(words("a\xC2\xA0\xC2\xA0"
                "b") == PatternWords{"a", "\xC2\xA0", "\xC2\xA0", "b"});
    CHECK(words("été 中文٣٤½²") == PatternWords{"été", " 中文", "٣٤½²"});
    CHECK(words("?!$ e\xCC\x81") == PatternWords{"?!$", " e", "\xCC\x81"});
    CHECK(words("").empty());
    CHECK(words(" ") == PatternWords{" "});
}

TEST_CASE("gpu/tokenizer: Llama 3's words take what stands before them, and numbers three digits") {
    const auto words = [](std::string_view text) { return words_of(WordPattern::llama3, text); };
    CHECK(words("Hello (world) 12345 x") ==
          PatternWords{"Hello", " (", "world", ")", " ", "123", "45", " x"});
    CHECK(words("I'LL it'S don't'\xC5\xBF") ==
          PatternWords{"I", "'LL", " it", "'S", " don", "'t", "'\xC5\xBF"});
    CHECK(words("a.b\tc\"d") == PatternWords{"a", ".b", "\tc", "\"d"});
    CHECK(words("end.\r\n\n  next") == PatternWords{"end", ".\r\n\n", " ", " next"});
    CHECK(words("a \n \n  b") == PatternWords{"a", " \n \n", " ", " b"});
    CHECK(words("a\n") == PatternWords{"a", "\n"});
    CHECK(words("a   ") == PatternWords{"a", "   "});
    CHECK(words("!!\n?? ??") == PatternWords{"!!\n", "??", " ??"});
    CHECK(words("\nb") == PatternWords{"\n", "b"});
    CHECK(words("1 2") == PatternWords{"1", " ", "2"});
}

TEST_CASE("gpu/tokenizer: Qwen2's words are those of Llama 3 with one digit") {
    CHECK(words_of(WordPattern::qwen2, "x 123y") == PatternWords{"x", " ", "1", "2", "3", "y"});
    CHECK(words_of(WordPattern::qwen2, "I'm.b") == PatternWords{"I", "'m", ".b"});
}

TEST_CASE("gpu/tokenizer: every text is words from end to end, cut between characters") {
    std::mt19937 random(11);
    for (int round = 0; round < 2000; ++round) {
        const std::string text = testing::odd_text(random, 40);
        for (const auto pattern : {WordPattern::gpt2, WordPattern::llama3, WordPattern::qwen2}) {
            std::string joined;
            for (const std::string& word : words_of(pattern, text)) {
                CHECK(utf8_length(word) > 0);
                joined += word;
            }
            CHECK(joined == text);
        }
    }
}

TEST_CASE("gpu/tokenizer: a megabyte of spaces is cut without a square of steps") {
    const std::string spaces(1 << 20, ' ');
    for (const auto pattern : {WordPattern::gpt2, WordPattern::llama3, WordPattern::qwen2}) {
        CHECK(words_of(pattern, spaces).size() == 1);
        CHECK(words_of(pattern, spaces + "a").size() == 2);
    }
    std::string lines;
    for (int i = 0; i < 1 << 18; ++i)
        lines += "\n a";
    CHECK(words_of(WordPattern::llama3, lines).size() == 1 << 19);
}

TEST_CASE("gpu/tokenizer: a regular expression that is not published is not guessed at") {
    CHECK_FALSE(word_pattern_of(""));
    CHECK_FALSE(word_pattern_of(R"(\s+)"));
    CHECK_FALSE(
        word_pattern_of(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+)"));
    CHECK(word_pattern_of(
              R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)") ==
          WordPattern::gpt2);
}
