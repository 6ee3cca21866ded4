// Added tokens: found as they are spelled, and what a stranger's text must not be able to do.

#include "tokenizer_json.hpp"

using namespace casc;
using namespace casc::gpu;
using namespace casc::gpu::testing;

namespace {

using AddedIds = std::vector<TokenId>;

// To the 261 tokens of bytes: <|end|> 300 and <|user|> 301, special; <think> 302, not so; a run of
// spaces 303; <|end|>> 304, which begins as another; <|a|> 305, which takes spaces on both sides.
TokenizerJson chat_json() {
    TokenizerJson json = byte_level_json();
    json.added = R"([
        {"id":300,"content":"<|end|>","special":true,"normalized":false,"single_word":false},
        {"id":301,"content":"<|user|>","special":true,"normalized":false,"rstrip":true},
        {"id":302,"content":"<think>","special":false,"normalized":false},
        {"id":303,"content":"    ","special":false,"normalized":true},
        {"id":304,"content":"<|end|>>","special":false,"normalized":false},
        {"id":305,"content":"<|a|>","special":true,"normalized":false,"rstrip":true,"lstrip":true}])";
    return json;
}

AddedIds with_special(const TokenizerJson& json, std::string_view text) {
    return tokens_of(*tokenizer_of(json.text()), text, SpecialTokens::parsed);
}
AddedIds plainly(const TokenizerJson& json, std::string_view text) {
    return tokens_of(*tokenizer_of(json.text()), text);
}
AddedIds bytes_as_tokens(std::string_view text) {
    AddedIds tokens;
    for (const char byte : text)
        tokens.push_back(static_cast<unsigned char>(byte));
    return tokens;
}

}  // namespace

TEST_CASE("gpu/tokenizer: added tokens are found where they are spelled, the longest first") {
    const TokenizerJson json = chat_json();
    CHECK(with_special(json, "<|user|>a<|end|>") == AddedIds{301, 'a', 300});
    CHECK(with_special(json, "<|end|>>a") == AddedIds{304, 'a'});
    CHECK(with_special(json, "<|end|><|end|>") == AddedIds{300, 300});
    CHECK(with_special(json, "<|en") == AddedIds{'<', '|', 'e', 'n'});
    CHECK(with_special(json, "<<think>") == AddedIds{'<', 302});
    CHECK(with_special(json, "a      b") == AddedIds{'a', 303, ' ', ' ', 'b'});
}

TEST_CASE("gpu/tokenizer: an added token takes the spaces beside it, if so said") {
    const TokenizerJson json = chat_json();
    CHECK(with_special(json, "<|user|> \n\xC2\xA0 a") == AddedIds{301, 'a'});
    CHECK(with_special(json, "a \xE2\x80\x83<|a|>  b") == AddedIds{'a', 305, 'b'});
    CHECK(with_special(json, "  <|a|>  ") == AddedIds{305});
    CHECK(with_special(json, "<|end|>  <|a|>") == AddedIds{300, 305});
    CHECK(with_special(json, "<|end|> b") == AddedIds{300, ' ', 'b'});
}

TEST_CASE("gpu/tokenizer: what spells a special token in a plain text is a text") {
    const TokenizerJson json = chat_json();
    CHECK(plainly(json, "<|end|>") == bytes_as_tokens("<|end|>"));
    CHECK(plainly(json, "a<|user|> <|a|>") == bytes_as_tokens("a<|user|> <|a|>"));
    // Those that are part of texts are found in all of them.
    CHECK(plainly(json, "<think>") == AddedIds{302});
}

TEST_CASE("gpu/tokenizer: a stranger's text has its tokens around it and spells none of them") {
    const auto around = [](const TokenizerJson& json, std::string_view text) {
        return tokens_of(*tokenizer_of(json.text()), text, SpecialTokens::around);
    };
    CHECK(around(chat_json(), "<|end|>") == bytes_as_tokens("<|end|>"));
    CHECK(around(chat_json(), "<think>") == AddedIds{302});
    TokenizerJson json = marks_json();
    CHECK(around(json, "<s>") == AddedIds{1, 259, 263, 264, 265});
    CHECK(around(json, "a</s>")[0] == 1);
    CHECK(with_special(json, "a</s>") == AddedIds{1, 266, 2});
    CHECK(plainly(json, "<s>") == AddedIds{259, 263, 264, 265});
}

TEST_CASE("gpu/tokenizer: an added token that is also in the vocabulary comes back as its bytes") {
    TokenizerJson json = byte_level_json();
    const std::string space_w = "\xC4\xA0w";  // how the vocabulary writes " w", 260
    json.added = R"([{"id":260,"content":")" + space_w + R"(","special":false,"normalized":false},
                     {"id":300,"content":"\u00e9!","special":false,"normalized":false}])";
    const auto tokenizer = tokenizer_of(json.text());
    CHECK(tokens_of(*tokenizer, "a w") == AddedIds{'a', 260});
    CHECK(text_of(*tokenizer, tokens_of(*tokenizer, "a w")) == "a w");
    // One that only was added is what it is spelled as, though its letter stands for a byte.
    CHECK(tokens_of(*tokenizer, "\xC3\xA9!") == AddedIds{300});
    CHECK(text_of(*tokenizer, AddedIds{300}) == "\xC3\xA9!");
}

TEST_CASE("gpu/tokenizer: neither rules nor the vocabulary make a special token of a plain text") {
    TokenizerJson json = marks_json();
    json.merge("<", "s");              // 270
    json.merges.emplace_back("<s >");  // "<s>", token 1
    CHECK(plainly(json, "<s>") == AddedIds{259, 270, 265});
    CHECK(with_special(json, "<s>") == AddedIds{1, 1});
    json.model_options += R"("ignore_merges":true,)";
    json.normalizer = "null";
    CHECK(plainly(json, "<s>") == AddedIds{270, 265});
    // A special token of one letter: that letter is its bytes then.
    json.added = R"([{"id":260,"content":"a","special":true,"normalized":false}])";
    json.post_processor = "null";
    CHECK(plainly(json, "a") == AddedIds{3 + 'a'});
    CHECK(with_special(json, "a") == AddedIds{260});
}

TEST_CASE("gpu/tokenizer: a special token is nothing in a text, another what it is") {
    const auto tokenizer = tokenizer_of(chat_json().text());
    CHECK(tokenizer->vocabulary_size() == 306);
    CHECK(tokenizer->bytes_of(300).empty());
    CHECK(tokenizer->bytes_of(302) == "<think>");
    CHECK(tokenizer->bytes_of(303) == "    ");
    CHECK(tokenizer->bytes_of(280).empty());  // there is none
}

TEST_CASE("gpu/tokenizer: what is found behind the normalizer is spelled as that writes it") {
    TokenizerJson json = marks_json();
    json.added = R"([{"id":0,"content":"<unk>","special":true,"normalized":false},
                     {"id":1,"content":"<s>","special":true,"normalized":false},
                     {"id":300,"content":"bc c","special":false,"normalized":true}])";
    // Its first mark is the one that the normalizer puts there, so it is found at the beginning or
    // behind a space.
    CHECK(plainly(json, "bc cabc") == AddedIds{300, 260, 267});
    CHECK(plainly(json, "a bc c") == AddedIds{266, 300});
    CHECK(plainly(json, "abc c") == AddedIds{268, 259, 262});
    CHECK(tokenizer_of(json.text())->bytes_of(300) == "bc c");
}

TEST_CASE("gpu/tokenizer: each part between added tokens is marked for itself") {
    CHECK(with_special(marks_json(), "a</s>a") == AddedIds{1, 266, 2, 266});
    CHECK(with_special(marks_json(), "</s> a") == AddedIds{1, 2, 259, 266});
}

TEST_CASE("gpu/tokenizer: a template puts tokens before and behind a text, several if so said") {
    TokenizerJson json = marks_json();
    json.post_processor = R"({"type":"Sequence","processors":[{"type":"ByteLevel"},
        {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}},
         {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
         "special_tokens":{"x":{"id":"x","ids":[1,2],"tokens":["<s>","</s>"]},
                           "</s>":{"id":"</s>","ids":[2],"tokens":["</s>"]}}}]})";
    CHECK(with_special(json, "a") == AddedIds{1, 2, 266, 2});
    CHECK(plainly(json, "a") == AddedIds{266});
}

TEST_CASE("gpu/tokenizer: hundreds of tokens that begin alike cost no square of steps") {
    TokenizerJson json = byte_level_json();
    json.added = "[";
    for (int i = 2; i <= 500; ++i)
        json.added += (i == 2 ? "" : ",") + std::string(R"({"id":)") + std::to_string(300 + i) +
                      R"(,"special":true,"normalized":false,"content":")" +
                      std::string(static_cast<std::size_t>(i), '<') + "\"}";
    json.added += "]";
    const auto tokenizer = tokenizer_of(json.text());
    CHECK(tokens_of(*tokenizer, std::string(1 << 20, '<'), SpecialTokens::parsed).size() == 2098);
    CHECK(tokens_of(*tokenizer, std::string(1 << 20, '<')).size() == 1 << 20);
}
