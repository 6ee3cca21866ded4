#pragma once
// tokenizer_json.hpp: small tokenizer.json texts, put together by hand.

#include "tokenizer/json_tokenizer.hpp"

#include <casc/gpu/text_stream.hpp>
#include <casc/gpu/tokenizer.hpp>
#include <casc/types/utf8.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu::testing {

inline std::string json_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    return out + '"';
}

// How GPT-2 writes a byte, counted here once more and otherwise than in the code.
inline std::string alphabet_character(unsigned byte) {
    const auto is_itself = [](unsigned b) {
        return (b > 32 && b < 127) || (b > 160 && b < 173) || (b > 173 && b < 256);
    };
    unsigned code = byte;
    if (!is_itself(byte)) {
        code = 256;
        for (unsigned b = 0; b < byte; ++b)
            if (!is_itself(b)) ++code;
    }
    std::string out;
    append_utf8(out, code);
    return out;
}

// A tokenizer.json by its parts. Tokens are numbered in their order.
struct TokenizerJson {
    std::string added = "[]";
    std::string normalizer = "null";
    std::string pre_tokenizer = "null";
    std::string post_processor = "null";
    std::string decoder = "null";
    std::string model_options;  // with a comma behind
    std::vector<std::string> tokens;
    std::vector<std::string> merges;  // "a b"
    std::string more;                 // with a comma behind

    [[nodiscard]] std::string text() const {
        std::string vocab;
        for (std::size_t i = 0; i < tokens.size(); ++i)
            vocab += (i == 0 ? "" : ",") + json_text(tokens[i]) + ":" + std::to_string(i);
        std::string rules;
        for (const std::string& merge : merges)
            rules += (rules.empty() ? "" : ",") + json_text(merge);
        return R"({"version":"1.0","truncation":null,"padding":null,)" + more +
               R"("added_tokens":)" + added + R"(,"normalizer":)" + normalizer +
               R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":)" + post_processor +
               R"(,"decoder":)" + decoder + R"(,"model":{"type":"BPE",)" + model_options +
               R"("vocab":{)" + vocab + R"(},"merges":[)" + rules + "]}}";
    }
    // A rule, and the token that it makes.
    void merge(const std::string& left, const std::string& right) {
        merges.push_back(left + " " + right);
        tokens.push_back(left + right);
    }
};

// One token for each byte, with the byte's number; "h e", "l l", "he ll", "Ġ w" … follow from 256
// on.
inline TokenizerJson byte_level_json() {
    TokenizerJson json;
    json.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":true})";
    json.decoder = R"({"type":"ByteLevel"})";
    for (unsigned byte = 0; byte < 256; ++byte)
        json.tokens.push_back(alphabet_character(byte));
    json.merge("h", "e");         // 256
    json.merge("l", "l");         // 257
    json.merge("he", "ll");       // 258
    json.merge("hell", "o");      // 259
    json.merge("\xC4\xA0", "w");  // 260, a space and a w
    return json;
}

// As Llama 2's: three special tokens, the 256 bytes from 3 on, then "▁" (259), letters and words.
inline TokenizerJson marks_json() {
    TokenizerJson json;
    const std::string mark = "\xE2\x96\x81";
    json.added = R"([{"id":0,"content":"<unk>","special":true,"normalized":false},
                     {"id":1,"content":"<s>","special":true,"normalized":false},
                     {"id":2,"content":"</s>","special":true,"normalized":false}])";
    json.normalizer = R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
                          {"type":"Replace","pattern":{"String":" "},"content":"▁"}]})";
    json.post_processor =
        R"({"type":"TemplateProcessing",
            "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
            "pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}})";
    json.decoder = R"({"type":"Sequence","decoders":[
            {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
            {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";
    json.model_options = R"("unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,)";
    json.tokens = {"<unk>", "<s>", "</s>"};
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (unsigned byte = 0; byte < 256; ++byte)
        json.tokens.push_back(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">");
    for (const char* letter : {"▁", "a", "b", "c", "<", "s", ">"})  // 259 ... 265
        json.tokens.emplace_back(letter);
    json.merge(mark, "a");         // 266
    json.merge("b", "c");          // 267
    json.merge(mark + "a", "bc");  // 268
    json.merge(mark, mark);        // 269
    return json;
}

inline std::shared_ptr<const Tokenizer> tokenizer_of(const std::string& json) {
    auto tokenizer = parse_tokenizer_json(json);
    REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().detail));
    return *std::move(tokenizer);
}

inline std::vector<TokenId> tokens_of(const Tokenizer& tokenizer, std::string_view text,
                                      SpecialTokens special = SpecialTokens::plain) {
    auto tokens = tokenizer.encode(text, special);
    REQUIRE(tokens);
    return *std::move(tokens);
}

// What is wrong with it; "nothing".
inline std::string tokenizer_trouble(const std::string& json) {
    const auto tokenizer = parse_tokenizer_json(json);
    if (tokenizer) return "nothing";
    CHECK(tokenizer.error().code == ErrorCode::model_unusable);
    return tokenizer.error().detail;
}

}  // namespace casc::gpu::testing
