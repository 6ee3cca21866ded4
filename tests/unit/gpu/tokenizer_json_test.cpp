// tokenizer.json: texts to tokens and back, of both kinds of byte pair encoding.

#include "tokenizer_json.hpp"

#include "odd_text.hpp"
#include "rounds.hpp"

#include <random>

using namespace casc;
using namespace casc::gpu;
using namespace casc::gpu::testing;

namespace {

using TextIds = std::vector<TokenId>;

constexpr const char* kLlama3Words =
    R"({"type":"Sequence","pretokenizers":[
        {"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
         "behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";

TokenizerJson metaspace_json(const std::string& scheme, bool split) {
    TokenizerJson json = marks_json();
    json.normalizer = "null";
    json.pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":")" + scheme +
                         R"(","split":)" + (split ? "true" : "false") + "}";
    return json;
}

}  // namespace

// ---- bytes --------------------------------------------------------------------------------------

TEST_CASE("gpu/tokenizer: every byte has a token, and a token its byte") {
    const auto tokenizer = tokenizer_of(byte_level_json().text());
    CHECK(tokenizer->vocabulary_size() == 261);
    for (unsigned byte = 0; byte < 256; ++byte)
        CHECK(tokenizer->bytes_of(byte) == std::string(1, static_cast<char>(byte)));
    CHECK(tokenizer->bytes_of(260) == " w");
    CHECK(tokenizer->bytes_of(261).empty());
    CHECK(tokenizer->bytes_of(kNoToken).empty());
    CHECK(tokens_of(*tokenizer, "é") == TextIds{0xC3, 0xA9});
}

TEST_CASE("gpu/tokenizer: rules are applied within words, in their order") {
    const auto tokenizer = tokenizer_of(byte_level_json().text());
    CHECK(tokens_of(*tokenizer, "hello world") == TextIds{259, 260, 'o', 'r', 'l', 'd'});
    CHECK(tokens_of(*tokenizer, "hell") == TextIds{258});
    CHECK(tokens_of(*tokenizer, "llhe") == TextIds{257, 256});
    CHECK(tokens_of(*tokenizer, "lll") == TextIds{257, 'l'});
    CHECK(tokens_of(*tokenizer, "") == TextIds{});
    CHECK(tokens_of(*tokenizer, "", SpecialTokens::around) == TextIds{});
}

TEST_CASE("gpu/tokenizer: rules may be pairs of texts") {
    TokenizerJson json = byte_level_json();
    std::string text = json.text();
    const std::string before = R"("h e","l l")";
    text.replace(text.find(before), before.size(), R"(["h","e"],["l","l"])");
    CHECK(tokens_of(*tokenizer_of(text), "hello") == TextIds{259});
}

TEST_CASE("gpu/tokenizer: a word of the vocabulary may be a token whatever the rules say") {
    TokenizerJson json = byte_level_json();
    json.tokens.emplace_back(
        "\xC4\xA0"
        "xyz");  // 261, which no rule makes
    CHECK(tokens_of(*tokenizer_of(json.text()), " xyz") == TextIds{' ', 'x', 'y', 'z'});
    json.model_options = R"("ignore_merges":true,)";
    CHECK(tokens_of(*tokenizer_of(json.text()), " xyz hello") == TextIds{261, ' ', 259});
}

TEST_CASE("gpu/tokenizer: a space may be put before a text that begins with none") {
    TokenizerJson json = byte_level_json();
    json.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":true})";
    const auto tokenizer = tokenizer_of(json.text());
    CHECK(tokens_of(*tokenizer, "w") == TextIds{260});
    CHECK(tokens_of(*tokenizer, " w") == TextIds{260});
    CHECK(tokens_of(*tokenizer, "") == TextIds{});
}

TEST_CASE("gpu/tokenizer: Llama 3's words are cut before the bytes are looked at") {
    TokenizerJson json = byte_level_json();
    json.pre_tokenizer = kLlama3Words;
    const auto tokenizer = tokenizer_of(json.text());
    CHECK(tokens_of(*tokenizer, "hello1234") == TextIds{259, '1', '2', '3', '4'});
    // As one that removes all but what matches, it says the same.
    std::string other = json.pre_tokenizer;
    other.replace(other.find(R"("Isolated","invert":false)"), 25, R"("Removed","invert":true)");
    json.pre_tokenizer = other;
    CHECK(tokens_of(*tokenizer_of(json.text()), "hello") == TextIds{259});
}

TEST_CASE("gpu/tokenizer: a text may be composed first") {
    TokenizerJson json = byte_level_json();
    json.normalizer = R"({"type":"NFC"})";
    CHECK(tokens_of(*tokenizer_of(json.text()), "e\xCC\x81") == TextIds{0xC3, 0xA9});
}

TEST_CASE("gpu/tokenizer: texts come back from their bytes as they were") {
    std::mt19937 random(5);
    TokenizerJson json = byte_level_json();
    const auto gpt2 = tokenizer_of(json.text());
    json.pre_tokenizer = kLlama3Words;
    const auto llama3 = tokenizer_of(json.text());
    for (int round = 0; round < 500; ++round) {
        const std::string text = odd_text(random, 60);
        CHECK(text_of(*gpt2, tokens_of(*gpt2, text)) == text);
        CHECK(text_of(*llama3, tokens_of(*llama3, text)) == text);
    }
}

// ---- marks for spaces ---------------------------------------------------------------------------

TEST_CASE("gpu/tokenizer: spaces become marks, with one before the text") {
    const auto tokenizer = tokenizer_of(marks_json().text());
    CHECK(tokens_of(*tokenizer, "abc") == TextIds{268});
    CHECK(tokens_of(*tokenizer, "abc abc") == TextIds{268, 268});
    CHECK(tokens_of(*tokenizer, " abc") == TextIds{259, 268});
    CHECK(tokens_of(*tokenizer, "bc  ") == TextIds{259, 267, 269});
    CHECK(tokens_of(*tokenizer, "") == TextIds{});
    CHECK(tokens_of(*tokenizer, "abc", SpecialTokens::around) == TextIds{1, 268});
    CHECK(tokens_of(*tokenizer, "", SpecialTokens::around) == TextIds{1});
    CHECK(tokenizer->bytes_of(268) == " abc");
    CHECK(tokenizer->bytes_of(269) == "  ");
    CHECK(tokenizer->bytes_of(3 + 0x41) == "A");
    CHECK(tokenizer->bytes_of(1).empty());
}

TEST_CASE("gpu/tokenizer: a character that is not in the vocabulary is its bytes") {
    const auto tokenizer = tokenizer_of(marks_json().text());
    CHECK(tokens_of(*tokenizer, "aé") == TextIds{266, 3 + 0xC3, 3 + 0xA9});
    CHECK(tokens_of(*tokenizer, "\n") == TextIds{259, 3 + 0x0A});
}

TEST_CASE("gpu/tokenizer: without bytes it is the unknown token, one for several if so said") {
    TokenizerJson json = marks_json();
    json.model_options = R"("unk_token":"<unk>","fuse_unk":true,)";
    CHECK(tokens_of(*tokenizer_of(json.text()), "axyaz") == TextIds{266, 0, 260, 0});
    json.model_options = R"("unk_token":"<unk>",)";
    CHECK(tokens_of(*tokenizer_of(json.text()), "axyaz") == TextIds{266, 0, 0, 260, 0});
    CHECK(tokens_of(*tokenizer_of(json.text()), "x") == TextIds{259, 0});
}

TEST_CASE("gpu/tokenizer: Metaspace marks the first word, all parts, or none") {
    const auto words = [](const std::string& scheme, bool split, std::string_view text) {
        return tokens_of(*tokenizer_of(metaspace_json(scheme, split).text()), text,
                         SpecialTokens::parsed);
    };
    CHECK(words("always", false, "bc bc") == TextIds{1, 259, 267, 259, 267});
    CHECK(words("always", false, "</s>bc") == TextIds{1, 2, 259, 267});
    CHECK(words("first", false, "bc</s>bc") == TextIds{1, 259, 267, 2, 267});
    CHECK(words("first", false, "</s>bc") == TextIds{1, 2, 267});
    CHECK(words("never", false, "bc bc") == TextIds{1, 267, 259, 267});
    CHECK(words("always", false, " bc") == TextIds{1, 259, 267});  // there is one
    CHECK(words("always", false, "b  c") == TextIds{1, 259, 261, 269, 262});
    CHECK(words("always", true, "b  c") == TextIds{1, 259, 261, 259, 259, 262});
}

TEST_CASE("gpu/tokenizer: older files say with a flag whether Metaspace marks a text") {
    TokenizerJson json = metaspace_json("x", false);
    json.pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","add_prefix_space":false})";
    CHECK(tokens_of(*tokenizer_of(json.text()), "bc") == TextIds{267});
    json.pre_tokenizer =
        R"({"type":"Metaspace","str_rep":"▁","replacement":"▁","add_prefix_space":true})";
    CHECK(tokens_of(*tokenizer_of(json.text()), "bc") == TextIds{259, 267});
}

TEST_CASE("gpu/tokenizer: texts come back from marks as they were") {
    std::mt19937 random(6);
    const auto tokenizer = tokenizer_of(marks_json().text());
    for (int round = 0; round < 500; ++round) {
        std::string text = odd_text(random, 60);
        // The mark itself is a space when it comes back.
        for (std::size_t at = 0; (at = text.find("▁")) != text.npos;)
            text.replace(at, 3, "-");
        CHECK(text_of(*tokenizer, tokens_of(*tokenizer, text)) == text);
    }
}

// ---- texts that are refused, or meant to take long ----------------------------------------------

TEST_CASE("gpu/tokenizer: a text that is not UTF-8 is refused, with its place") {
    const auto tokenizer = tokenizer_of(marks_json().text());
    for (const char* text : {"ab\xFF", "ab\xC3", "ab\xED\xA0\x80", "ab\xC0\x80"})
        for (const auto special :
             {SpecialTokens::plain, SpecialTokens::around, SpecialTokens::parsed}) {
            const auto tokens = tokenizer->encode(text, special);
            REQUIRE_FALSE(tokens);
            CHECK(tokens.error().code == ErrorCode::invalid_request);
            CHECK(tokens.error().detail == "the text is not UTF-8 at byte 2");
        }
}

TEST_CASE("gpu/tokenizer: a text larger than any context is refused before anything is done") {
    const auto tokenizer = tokenizer_of(marks_json().text());
    const auto tokens = tokenizer->encode(std::string((64 << 20) + 1, 'a'), SpecialTokens::plain);
    REQUIRE_FALSE(tokens);
    CHECK(tokens.error().code == ErrorCode::invalid_request);
}

TEST_CASE("gpu/tokenizer: a megabyte of the same letter is encoded without a square of steps") {
    TokenizerJson json = byte_level_json();
    std::string a = "a";
    for (int i = 0; i < 10; ++i) {
        json.merge(a, a);
        a += a;
    }
    const auto tokenizer = tokenizer_of(json.text());
    constexpr std::size_t kBytes = test::quarter_under_tsan(1 << 20);
    const std::string text(kBytes, 'a');
    CHECK(tokens_of(*tokenizer, text) == TextIds(kBytes >> 10, 261 + 9));
    const auto marks = tokenizer_of(marks_json().text());
    CHECK(tokens_of(*marks, std::string(kBytes, ' ')).size() == kBytes / 2 + 1);
}
